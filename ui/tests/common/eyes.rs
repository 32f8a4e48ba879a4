//! Owns: what stands on the screen and where: every visible text with the place that its letters take, and what covers it.
//! Never: a guess from pixels; asks Slint's own items and its own measure of text.
//! Called by: tests/languages.rs.

use parloir_ui::shown::App;
use slint::ComponentHandle as _;
use slint::private_unstable_api::re_exports::{
    BasicBorderRectangle, BorderRectangle, ClippedImage, ComplexText, ImageItem, ItemRc, LayoutInfo, Orientation, Rectangle,
    SimpleText, TextHorizontalAlignment, TextVerticalAlignment, TextWrap, WindowAdapterRc, WindowInner,
};

/// Logical pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Place {
    pub fn within(&self, other: &Self, slack: f32) -> bool {
        self.left >= other.left - slack
            && self.top >= other.top - slack
            && self.right <= other.right + slack
            && self.bottom <= other.bottom + slack
    }

    pub fn overlaps(&self, other: &Self, slack: f32) -> bool {
        self.left + slack < other.right
            && other.left + slack < self.right
            && self.top + slack < other.bottom
            && other.top + slack < self.bottom
    }

    fn is_empty(&self) -> bool {
        self.right <= self.left || self.bottom <= self.top
    }
}

/// A text with letters.
#[derive(Clone, Debug)]
pub struct Words {
    pub text: String,
    /// Where its letters are.
    pub letters: Place,
    /// What it needs and does not get.
    pub cut: Option<String>,
    /// The boxes that it stands in, the outermost first.
    pub boxes: Vec<Place>,
    order: usize,
}

/// Something that hides what it covers: a filled box or a picture.
#[derive(Clone, Debug)]
pub struct Cover {
    pub place: Place,
    pub picture: bool,
    order: usize,
    last: usize,
}

impl Cover {
    /// Whether it is drawn over these words, or is an icon that they are drawn over.
    pub fn hides(&self, words: &Words) -> bool {
        let inside = words.order > self.order && words.order <= self.last;
        let icon = self.picture && self.place.right - self.place.left < 120.0;
        !inside && (icon || self.order > words.order) && self.place.overlaps(&words.letters, 1.0)
    }
}

#[derive(Default)]
pub struct Sight {
    pub words: Vec<Words>,
    pub covers: Vec<Cover>,
    count: usize,
}

/// What stands on the screen now.
pub fn look(app: &App) -> Sight {
    let root = ItemRc::new_root(WindowInner::from_pub(app.window()).component());
    let adapter = root.window_adapter().expect("the window is shown");
    let mut sight = Sight::default();
    sight.walk(&root, &adapter, &mut Vec::new());
    sight
}

fn place(item: &ItemRc) -> Place {
    let geometry = item.geometry();
    let at = item.map_to_window(geometry.origin);
    Place { left: at.x, top: at.y, right: at.x + geometry.width(), bottom: at.y + geometry.height() }
}

/// Whether a box is filled, for those that are boxes.
fn filled(item: &ItemRc) -> Option<bool> {
    let seen = |transparent: bool, place: Place| !transparent && !place.is_empty();
    let (plain, round, border) =
        (item.downcast::<Rectangle>(), item.downcast::<BasicBorderRectangle>(), item.downcast::<BorderRectangle>());
    plain
        .map(|r| r.as_pin_ref().background().is_transparent())
        .or_else(|| round.map(|r| r.as_pin_ref().background().is_transparent()))
        .or_else(|| border.map(|r| r.as_pin_ref().background().is_transparent()))
        .map(|transparent| seen(transparent, place(item)))
}

impl Sight {
    fn walk(&mut self, item: &ItemRc, adapter: &WindowAdapterRc, boxes: &mut Vec<Place>) {
        if !item.is_visible() {
            return;
        }
        let order = self.count;
        self.count += 1;
        let (depth, covers) = (boxes.len(), self.covers.len());
        let picture = item.downcast::<ImageItem>().is_some() || item.downcast::<ClippedImage>().is_some();
        if filled(item) == Some(true) {
            boxes.push(place(item));
        }
        if picture || filled(item) == Some(true) {
            self.covers.push(Cover { place: place(item), picture, order, last: order });
        }
        self.words.extend(words(item, adapter, boxes, order));
        let mut child = item.first_child();
        while let Some(inside) = child {
            self.walk(&inside, adapter, boxes);
            child = inside.next_sibling();
        }
        if let Some(cover) = self.covers.get_mut(covers).filter(|c| c.order == order) {
            cover.last = self.count - 1;
        }
        boxes.truncate(depth);
    }
}

/// Text, alignment and wrapping of a text item.
fn text(item: &ItemRc) -> Option<(String, TextHorizontalAlignment, TextVerticalAlignment, TextWrap)> {
    let simple = item.downcast::<SimpleText>().map(|t| {
        let t = t.as_pin_ref();
        (t.text().to_string(), t.horizontal_alignment(), t.vertical_alignment(), TextWrap::NoWrap)
    });
    simple.or_else(|| {
        item.downcast::<ComplexText>().map(|t| {
            let t = t.as_pin_ref();
            (t.text().to_string(), t.horizontal_alignment(), t.vertical_alignment(), t.wrap())
        })
    })
}

fn words(item: &ItemRc, adapter: &WindowAdapterRc, boxes: &[Place], order: usize) -> Option<Words> {
    let (text, across, down, wrap) = text(item).filter(|t| !t.0.trim().is_empty())?;
    let given = place(item);
    let (width, height) = (given.right - given.left, given.bottom - given.top);
    let info = |orientation, cross| -> LayoutInfo { item.borrow().as_ref().layout_info(orientation, cross, adapter, item) };
    let (line, tall) = (info(Orientation::Horizontal, -1.0), info(Orientation::Vertical, width));
    let least = if wrap == TextWrap::NoWrap { line.preferred } else { line.min };
    // The measure is rounded up to whole pixels.
    let cut = (least > width + 1.0 || tall.preferred > height + 1.0)
        .then(|| format!("needs {least}x{} and has {width}x{height}", tall.preferred));
    let (wide, high) = (line.preferred.min(width.max(least)), tall.preferred);
    let left = match across {
        TextHorizontalAlignment::Center => given.left + (width - wide) / 2.0,
        TextHorizontalAlignment::Right | TextHorizontalAlignment::End => given.right - wide,
        _ => given.left,
    };
    let top = match down {
        TextVerticalAlignment::Center => given.top + (height - high) / 2.0,
        TextVerticalAlignment::Bottom => given.bottom - high,
        _ => given.top,
    };
    let letters = Place { left, top, right: left + wide, bottom: top + high };
    Some(Words { text, letters, cut, boxes: boxes.to_vec(), order })
}
