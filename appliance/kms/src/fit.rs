//! Owns: where on a mode the picture goes: 16 to 9, as large as it can be, in the middle.
//! Never: touches a pixel.
//! Called by: surface, ui, still.

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Rect {
    /// What of it lies within a picture of this size; nothing is nothing.
    #[must_use]
    pub fn within(self, width: u32, height: u32) -> Option<Self> {
        let right = self.x.saturating_add(self.width).min(width);
        let bottom = self.y.saturating_add(self.height).min(height);
        let inside = Self { width: right.checked_sub(self.x)?, height: bottom.checked_sub(self.y)?, ..self };
        (inside.width > 0 && inside.height > 0).then_some(inside)
    }
}

/// The part of a mode that carries the picture; around it is ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Pixels of the picture.
    pub width: u32,
    /// Pixels of the picture.
    pub height: u32,
    /// Ground at the left.
    pub left: u32,
    /// Ground above.
    pub top: u32,
}

/// What screens are laid out for, pixels.
const LAYOUT: (u32, u32) = (1280, 720);

impl Canvas {
    /// On a mode of this size.
    #[must_use]
    pub fn of(width: u32, height: u32) -> Self {
        let (wide, high) = LAYOUT;
        let fitting = (height * wide / high).min(width);
        let (own_width, own_height) = if fitting == width { (width, width * high / wide) } else { (fitting, height) };
        Self { width: own_width, height: own_height, left: (width - own_width) / 2, top: (height - own_height) / 2 }
    }

    /// Pixels for one of the layout's.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a mode has at most a few thousand pixels a line")]
    pub fn scale(&self) -> f32 {
        self.width as f32 / LAYOUT.0 as f32
    }

    /// All of the picture.
    #[must_use]
    pub const fn whole(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }
}

#[cfg(test)]
mod tests {
    use super::{Canvas, Rect};

    #[test]
    fn sixteen_to_nine_fills_the_mode() {
        for (w, h, scale) in [(1280, 720, 1.0), (1920, 1080, 1.5), (640, 360, 0.5), (3840, 2160, 3.0)] {
            let canvas = Canvas::of(w, h);
            assert_eq!(canvas, Canvas { width: w, height: h, left: 0, top: 0 });
            assert!((canvas.scale() - scale).abs() < 1e-6);
        }
    }

    #[test]
    fn other_shapes_get_ground_on_two_sides() {
        assert_eq!(Canvas::of(1024, 768), Canvas { width: 1024, height: 576, left: 0, top: 96 });
        assert_eq!(Canvas::of(1280, 1024), Canvas { width: 1280, height: 720, left: 0, top: 152 });
        assert_eq!(Canvas::of(1366, 768), Canvas { width: 1365, height: 768, left: 0, top: 0 });
        assert_eq!(Canvas::of(2560, 720), Canvas { width: 1280, height: 720, left: 640, top: 0 });
    }

    #[test]
    fn it_never_leaves_the_mode() {
        for width in (1..4000).step_by(7) {
            for height in (1..2200).step_by(13) {
                let c = Canvas::of(width, height);
                assert!(c.left + c.width <= width && c.top + c.height <= height, "{width}x{height}: {c:?}");
            }
        }
    }

    #[test]
    fn damage_is_cut_to_the_picture() {
        let rect = |x, y, width, height| Rect { x, y, width, height };
        assert_eq!(rect(10, 10, 20, 20).within(100, 15), Some(rect(10, 10, 20, 5)));
        assert_eq!(rect(100, 0, 1, 1).within(100, 100), None);
        assert_eq!(rect(u32::MAX, 0, u32::MAX, 1).within(100, 100), None);
        assert_eq!(rect(0, 0, 0, 5).within(100, 100), None);
    }
}
