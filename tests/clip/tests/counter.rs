//! The counter survives what a picture goes through, and nothing else looks like one.

use parloir_clip::{FRAME_BYTES, FRAMES, Flavour, HEIGHT, Painter, WIDTH, read_counter, read_counter_at};

fn halve(luma: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for y in 0..HEIGHT / 2 {
        for x in 0..WIDTH / 2 {
            let p = |dx, dy| u32::from(luma[(2 * y + dy) * WIDTH + 2 * x + dx]);
            out.push(((p(0, 0) + p(1, 0) + p(0, 1) + p(1, 1)) / 4) as u8);
        }
    }
    out
}

#[test]
fn reads_every_number_of_both_flavours() {
    let mut frame = vec![0; FRAME_BYTES];
    for flavour in [Flavour::Cell, Flavour::Visitor] {
        let painter = Painter::new(flavour);
        for number in (0..FRAMES).step_by(13) {
            painter.paint(number, &mut frame);
            assert_eq!(read_counter(&frame, WIDTH, HEIGHT, WIDTH), Some((flavour, number)));
            let half = halve(&frame);
            assert_eq!(read_counter(&half, WIDTH / 2, HEIGHT / 2, WIDTH / 2), Some((flavour, number)));
        }
    }
}

#[test]
fn one_wrong_block_is_no_counter() {
    let mut frame = vec![0; FRAME_BYTES];
    Painter::new(Flavour::Cell).paint(171, &mut frame);
    for block in 3..19 {
        let mut broken = frame.clone();
        for y in 560..592 {
            for x in 64 + block * 32..64 + (block + 1) * 32 {
                broken[y * WIDTH + x] = 255 - broken[y * WIDTH + x];
            }
        }
        assert_eq!(read_counter(&broken, WIDTH, HEIGHT, WIDTH), None, "block {block}");
    }
}

#[test]
fn a_picture_without_counter_has_none() {
    assert_eq!(read_counter(&vec![90; WIDTH * HEIGHT], WIDTH, HEIGHT, WIDTH), None);
    assert_eq!(read_counter_at(&[0; 16], 4, (0.0, 0.0), (1280.0, 720.0)), None);
}

#[test]
fn frames_differ_as_a_camera_s_do() {
    let painter = Painter::new(Flavour::Visitor);
    let (mut a, mut b) = (vec![0; FRAME_BYTES], vec![0; FRAME_BYTES]);
    painter.paint(10, &mut a);
    painter.paint(11, &mut b);
    let changed = a.iter().zip(&b).filter(|(x, y)| x != y).count();
    assert!(changed > WIDTH * HEIGHT / 3, "only {changed} bytes changed");
}
