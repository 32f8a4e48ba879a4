//! Owns: what a TV shows: two buffers of the card's, the one that is seen and the one that is written, and their exchange between two
//! pictures of the TV.
//! Never: draws; copies what has not changed; writes into what is seen.
//! Called by: ui, still.

use crate::card::{Card, Output};
use crate::fit::{Canvas, Rect};
use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::{DumbBuffer, DumbMapping};
use drm::control::{Device as _, Event, PageFlipFlags, framebuffer};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The ground of the screens, `#0F1520`, as the card has it: blue, green, red, nothing.
const GROUND: [u8; 4] = [0x20, 0x15, 0x0F, 0];
/// A TV takes a new picture within this time; a driver that does not say so has lost the event.
const LONGEST_FLIP: Duration = Duration::from_millis(250);

/// A place on a TV. Shows nothing until the first [`Surface::put`].
pub struct Surface {
    card: Rc<Card>,
    output: Output,
    canvas: Canvas,
    /// One, and a second one with the second picture.
    buffers: Vec<Buffer>,
    /// Which of them is written next.
    back: usize,
    standing: bool,
    flipping: Option<Instant>,
}

struct Buffer {
    dumb: DumbBuffer,
    picture: framebuffer::Handle,
    mapping: DumbMapping<'static>,
    /// What has changed since this one was written last.
    missed: Vec<Rect>,
}

impl Surface {
    /// Makes the first buffer. Nothing changes on the TV yet.
    ///
    /// # Errors
    /// The card has no room, or is gone.
    pub fn new(card: Rc<Card>, output: Output) -> io::Result<Self> {
        let (width, height) = output.size();
        let canvas = Canvas::of(width, height);
        let buffers = vec![Buffer::new(&card, &output, canvas)?];
        Ok(Self { card, output, canvas, buffers, back: 0, standing: false, flipping: None })
    }

    /// Where the picture goes, and how large it is.
    #[must_use]
    pub const fn canvas(&self) -> Canvas {
        self.canvas
    }

    /// The TV that this is on.
    #[must_use]
    pub const fn output(&self) -> &Output {
        &self.output
    }

    /// Shows a picture of the canvas's size (RGB, 8 bits each, rows without gaps), of which this has changed since the last one. The
    /// first one sets the mode and stands when this returns; the others stand with the TV's next picture, and until then it is
    /// [`Surface::busy`]. For the master only.
    ///
    /// # Errors
    /// The TV or the card is gone, or this process is not the master. The surface is of no use any more.
    pub fn put(&mut self, rgb: &[u8], changed: &[Rect]) -> io::Result<()> {
        for buffer in &mut self.buffers {
            buffer.missed.extend(changed.iter().filter_map(|r| r.within(self.canvas.width, self.canvas.height)));
        }
        if self.buffers.len() == self.back {
            self.buffers.push(Buffer::new(&self.card, &self.output, self.canvas)?);
        }
        let back = &mut self.buffers[self.back];
        back.write(rgb, self.canvas);
        let picture = back.picture;
        if self.standing {
            self.card.page_flip(self.output.crtc, picture, PageFlipFlags::EVENT, None)?;
            self.flipping = Some(Instant::now());
        } else {
            let connectors = [self.output.connector];
            self.card.set_crtc(self.output.crtc, Some(picture), (0, 0), &connectors, Some(self.output.mode))?;
            self.standing = true;
        }
        self.back = 1 - self.back;
        Ok(())
    }

    /// Whether the TV has not yet taken the last picture; the card's descriptor becomes readable when it has.
    pub fn busy(&mut self) -> bool {
        // Nothing to read is the usual answer of a descriptor that does not wait.
        if let Ok(mut events) = self.card.receive_events()
            && events.any(|event| matches!(event, Event::PageFlip(_)))
        {
            self.flipping = None;
        }
        self.flipping = self.flipping.filter(|since| since.elapsed() < LONGEST_FLIP);
        self.flipping.is_some()
    }

    /// Whether the TV shows this surface, another's picture, or none (`None`).
    #[must_use]
    pub fn is_seen(&self) -> Option<bool> {
        let seen = self.card.shown(self.output.crtc)?;
        Some(self.buffers.iter().any(|b| b.picture == seen))
    }
}

impl Drop for Surface {
    /// The TV goes dark if it still shows this; whoever wants no gap shows the next picture first.
    fn drop(&mut self) {
        for buffer in &self.buffers {
            // A card that is gone has freed them itself.
            let _ = self.card.destroy_framebuffer(buffer.picture);
            let _ = self.card.destroy_dumb_buffer(buffer.dumb);
        }
    }
}

impl Buffer {
    fn new(card: &Card, output: &Output, canvas: Canvas) -> io::Result<Self> {
        // The mapping borrows the buffer's description for as long as it lives, that is as long as this: so the description (a few
        // words, for each change of TV) is given up, which a second mapping for every picture would be dearer than.
        let dumb = Box::leak(Box::new(card.create_dumb_buffer(output.size(), DrmFourcc::Xrgb8888, 32)?));
        let copy = *dumb;
        let mut mapping = card.map_dumb_buffer(dumb)?;
        let picture = card.add_framebuffer(&copy, 24, 32)?;
        for pixel in mapping.chunks_exact_mut(4) {
            pixel.copy_from_slice(&GROUND);
        }
        Ok(Self { dumb: copy, picture, mapping, missed: vec![canvas.whole()] })
    }

    fn write(&mut self, rgb: &[u8], canvas: Canvas) {
        let pitch = self.dumb.pitch() as usize;
        for rect in self.missed.drain(..) {
            copy(rgb, &mut self.mapping, pitch, canvas, rect);
        }
    }
}

/// Copies a rectangle of the picture to its place in the card's memory.
fn copy(rgb: &[u8], memory: &mut [u8], pitch: usize, canvas: Canvas, rect: Rect) {
    let (x, width) = (rect.x as usize, rect.width as usize);
    for y in rect.y as usize..(rect.y + rect.height) as usize {
        let from = (y * canvas.width as usize + x) * 3;
        let to = (y + canvas.top as usize) * pitch + (x + canvas.left as usize) * 4;
        let (Some(from), Some(to)) = (rgb.get(from..from + width * 3), memory.get_mut(to..to + width * 4)) else { return };
        for (pixel, color) in to.chunks_exact_mut(4).zip(from.chunks_exact(3)) {
            pixel.copy_from_slice(&[color[2], color[1], color[0], 0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::copy;
    use crate::fit::{Canvas, Rect};

    const CANVAS: Canvas = Canvas { width: 3, height: 2, left: 1, top: 1 };
    const PITCH: usize = 24;

    fn copied(rect: Rect) -> Vec<(usize, [u8; 4])> {
        let rgb: Vec<u8> = (1..=18).collect();
        let mut memory = [0xEE; PITCH * 4];
        copy(&rgb, &mut memory, PITCH, CANVAS, rect);
        let pixels = memory.chunks_exact(4).enumerate();
        pixels.filter(|(_, p)| *p != [0xEE; 4]).map(|(n, p)| (n, p.try_into().unwrap())).collect()
    }

    #[test]
    fn red_green_blue_go_where_the_card_has_them() {
        let one = copied(Rect { x: 1, y: 1, width: 1, height: 1 });
        // Line 2 of six pixels, third pixel; the fifth of the picture's.
        assert_eq!(one, [(2 * 6 + 2, [15, 14, 13, 0])]);
    }

    #[test]
    fn only_what_changed_is_written() {
        let places: Vec<usize> = copied(CANVAS.whole()).into_iter().map(|(n, _)| n).collect();
        assert_eq!(places, [7, 8, 9, 13, 14, 15]);
        assert!(copied(Rect { x: 0, y: 2, width: 3, height: 1 }).is_empty(), "below the picture is nothing to copy");
    }
}
