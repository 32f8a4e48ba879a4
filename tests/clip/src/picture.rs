//! Owns: the moving picture of a clip.
//! Never: random between runs; the same flavour and number give the same bytes.
//! Called by: the crate's writers.

use crate::{FRAME_BYTES, FRAMES, Flavour, HEIGHT, WIDTH, counter};

const NOISE: usize = 1 << 16;

/// Paints the frames of one flavour.
pub struct Painter {
    flavour: Flavour,
    background: Vec<u8>,
    noise: Vec<i8>,
}

/// A small generator (xorshift64*), so that clips are the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }
}

/// Limited-range luma (ITU-R BT.709).
fn luma(v: f32) -> u8 {
    v.clamp(16.0, 235.0) as u8
}

impl Painter {
    /// Prepares what every frame shares.
    #[must_use]
    pub fn new(flavour: Flavour) -> Self {
        let mut dice = Dice(if flavour == Flavour::Cell { 0x5EED_CE11 } else { 0x5EED_403E });
        let mut background = vec![0; WIDTH * HEIGHT];
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                // Wallpaper or brick: a gradient, a pattern of lines, and a grain that does not move.
                let gradient = 70.0 + 60.0 * x as f32 / WIDTH as f32 + 20.0 * y as f32 / HEIGHT as f32;
                let shift = if (y / 48) % 2 == 0 { 0 } else { 60 };
                let line = if y % 48 < 3 || (x + shift) % 120 < 3 { -22.0 } else { 0.0 };
                let grain = (dice.roll() % 17) as f32 - 8.0;
                background[y * WIDTH + x] = luma(gradient + line + grain);
            }
        }
        let noise = (0..NOISE).map(|_| (dice.roll() % 5 + dice.roll() % 5) as i8 - 4).collect();
        Self { flavour, background, noise }
    }

    /// Paints frame `number` (modulo the clip's length) into an I420 buffer of [`FRAME_BYTES`].
    ///
    /// # Panics
    /// When the buffer has another size: a bug of the caller.
    pub fn paint(&self, number: u16, frame: &mut [u8]) {
        assert_eq!(frame.len(), FRAME_BYTES, "buffer of one I420 frame");
        let (y, chroma) = frame.split_at_mut(WIDTH * HEIGHT);
        y.copy_from_slice(&self.background);
        let (u, v) = if self.flavour == Flavour::Cell { (140, 118) } else { (112, 136) };
        let (cu, cv) = chroma.split_at_mut(WIDTH * HEIGHT / 4);
        cu.fill(u);
        cv.fill(v);
        self.person(number, y, cu, cv);
        self.grain(number, y);
        counter::paint(self.flavour, number, frame);
    }

    /// Shoulders, a head that sways, eyes that blink, a mouth that speaks. All periods divide the clip, so that the loop has no jump.
    fn person(&self, number: u16, y: &mut [u8], cu: &mut [u8], cv: &mut [u8]) {
        let turn = f32::from(number % FRAMES) / f32::from(FRAMES) * std::f32::consts::TAU;
        let (cx, cy) = (660.0 + 42.0 * (2.0 * turn).sin(), 300.0 + 14.0 * (5.0 * turn).sin());
        let open = 6.0 + 22.0 * (20.0 * turn).sin().abs();
        let blink = number % 75 < 4;
        for row in 60..HEIGHT {
            for column in 300..1020 {
                let (x, z) = (column as f32, row as f32);
                let (dx, dz) = (x - cx, z - cy);
                let head = (dx / 150.0).powi(2) + (dz / 195.0).powi(2);
                let body = ((x - cx * 0.3 - 460.0) / 340.0).powi(2) + ((z - 760.0) / 270.0).powi(2);
                let at = row * WIDTH + column;
                if head < 1.0 {
                    let shade = 150.0 - 45.0 * head + 14.0 * (dx * 0.06 + 3.0).sin() * (dz * 0.05).cos();
                    let eye = !blink && ((dx.abs() - 55.0) / 20.0).powi(2) + ((dz + 40.0) / 11.0).powi(2) < 1.0;
                    let mouth = (dx / 46.0).powi(2) + ((dz - 95.0) / open).powi(2) < 1.0;
                    let hair = dz < -95.0 - 16.0 * (dx * 0.09).sin();
                    y[at] = luma(if eye || mouth {
                        34.0
                    } else if hair {
                        48.0 + 14.0 * (dx * 0.7).sin()
                    } else {
                        shade
                    });
                    let c = (row / 2) * (WIDTH / 2) + column / 2;
                    (cu[c], cv[c]) = if hair { (126, 132) } else { (112, 152) };
                } else if body < 1.0 {
                    let weave = if (column / 3 + row / 3) % 2 == 0 { 7.0 } else { -7.0 };
                    y[at] = luma(88.0 + weave + 18.0 * ((x - cx) * 0.02).sin());
                    let c = (row / 2) * (WIDTH / 2) + column / 2;
                    (cu[c], cv[c]) = if self.flavour == Flavour::Cell { (120, 142) } else { (150, 112) };
                }
            }
        }
    }

    /// Sensor noise: new in every frame, ±4, as of a small camera in a lit room.
    fn grain(&self, number: u16, y: &mut [u8]) {
        let mut dice = Dice(u64::from(number % FRAMES) + 0x9E37_79B9);
        for row in y.chunks_exact_mut(WIDTH) {
            let from = dice.roll() as usize % (NOISE - WIDTH);
            for (pixel, noise) in row.iter_mut().zip(&self.noise[from..from + WIDTH]) {
                *pixel = pixel.saturating_add_signed(*noise).clamp(16, 235);
            }
        }
    }
}
