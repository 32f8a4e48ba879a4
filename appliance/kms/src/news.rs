//! Owns: whether the kernel may have said something about a TV since the last look.
//! Never: a netlink socket: the screen has no network, and the kernel's own count of its events says enough.
//! Called by: ui, still, about twice a second.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The kernel counts every event that it sends to udev (`/sys/kernel/uevent_seqnum`); a TV that comes, goes or changes is one.
/// When the count has moved, a look at the connectors is worth its price (reading a TV's description takes tens of milliseconds).
#[derive(Debug)]
pub struct News {
    file: Option<File>,
    last: Option<u64>,
}

impl Default for News {
    fn default() -> Self {
        Self::new(Path::new("/sys/kernel/uevent_seqnum"))
    }
}

impl News {
    fn new(path: &Path) -> Self {
        Self { file: File::open(path).ok(), last: None }
    }

    /// Whether there may be news: at the first look, after any event, and always where the count cannot be read.
    pub fn any(&mut self) -> bool {
        let Some(now) = self.count() else { return true };
        self.last.replace(now) != Some(now)
    }

    fn count(&self) -> Option<u64> {
        let mut digits = [0; 24];
        let n = self.file.as_ref()?.read_at(&mut digits, 0).ok()?;
        std::str::from_utf8(digits.get(..n)?).ok()?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::News;

    #[test]
    fn news_are_told_once() {
        let path = std::env::temp_dir().join(format!("parloir-kms-news-{}", std::process::id()));
        std::fs::write(&path, "41\n").unwrap();
        let mut news = News::new(&path);
        assert_eq!([news.any(), news.any()], [true, false]);
        std::fs::write(&path, "43\n").unwrap();
        assert_eq!([news.any(), news.any()], [true, false]);
        std::fs::write(&path, "not a number\n").unwrap();
        assert!(news.any());
        std::fs::remove_file(&path).unwrap();
        assert!(News::new(&path).any(), "without a count everything may be new");
    }

    #[test]
    fn this_kernel_counts() {
        let mut news = News::default();
        assert!(news.any());
        assert!(news.last.is_some(), "the kernel's count could be read");
    }
}
