//! Owns: which of a TV's modes is taken. The still and the screen take the same, so that the one follows the other without a blink.
//! Never: asks the kernel.
//! Called by: card.

/// Largest mode that is taken, pixels: beyond it drawing without a graphics processor is too slow, and every TV has a smaller one.
pub const LARGEST: (u16, u16) = (1920, 1080);

/// A mode that a TV offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Pictures a second.
    pub hertz: u32,
    /// The TV's own choice.
    pub preferred: bool,
    /// Half pictures.
    pub interlaced: bool,
}

/// The number of the mode to take: the TV's own choice if it is not too large, else the largest that is not, at up to 60 pictures a
/// second; of nothing but too large ones the smallest. `None`: no mode at all.
#[must_use]
pub fn best(offers: &[Offer]) -> Option<usize> {
    let fits = |o: &Offer| o.width <= LARGEST.0 && o.height <= LARGEST.1;
    let area = |o: &Offer| u32::from(o.width) * u32::from(o.height);
    let usable = || offers.iter().enumerate().filter(|(_, o)| o.width > 0 && o.height > 0);
    let steady = |o: &Offer| if o.hertz <= 60 { o.hertz } else { 0 };
    // Of equal ones the first: a TV lists them in its order.
    let key = |(n, o): &(usize, &Offer)| (!o.interlaced, o.preferred, area(o), steady(o), usize::MAX - n);
    let fitting = usable().filter(|(_, o)| fits(o)).max_by_key(key);
    fitting.or_else(|| usable().min_by_key(|(n, o)| (area(o), *n))).map(|(n, _)| n)
}

#[cfg(test)]
mod tests {
    use super::{Offer, best};

    fn offer(width: u16, height: u16, hertz: u32) -> Offer {
        Offer { width, height, hertz, ..Offer::default() }
    }
    fn own(width: u16, height: u16, hertz: u32) -> Offer {
        Offer { preferred: true, ..offer(width, height, hertz) }
    }

    #[test]
    fn the_tvs_own_choice_is_taken() {
        assert_eq!(best(&[offer(1920, 1080, 60), own(1280, 720, 60), offer(640, 480, 60)]), Some(1));
        assert_eq!(best(&[own(1024, 768, 75), offer(1920, 1080, 60)]), Some(0));
    }

    #[test]
    fn a_4k_tv_is_driven_at_1080_and_60() {
        let tv =
            [own(3840, 2160, 60), offer(1920, 1080, 24), offer(1920, 1080, 120), offer(1920, 1080, 60), offer(1280, 720, 60)];
        assert_eq!(best(&tv), Some(3));
    }

    #[test]
    fn half_pictures_only_where_there_is_nothing_else() {
        let interlaced = Offer { interlaced: true, ..own(1920, 1080, 60) };
        assert_eq!(best(&[interlaced, offer(1280, 720, 50)]), Some(1));
        assert_eq!(best(&[interlaced]), Some(0));
    }

    #[test]
    fn nothing_to_choose_from() {
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[offer(0, 0, 60)]), None);
        assert_eq!(best(&[own(4096, 2160, 60), offer(3840, 2160, 30)]), Some(1), "too large is better than dark");
    }

    #[test]
    fn equal_ones_in_the_tvs_order() {
        assert_eq!(best(&[offer(1280, 720, 60), offer(1280, 720, 60)]), Some(0));
    }
}
