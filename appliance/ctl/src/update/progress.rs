//! Owns: bars on the terminal for what takes longer than a moment.
//! Never: a bar where nobody looks: stdout, a pipe, a log.
//! Called by: bundle, check.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over so many bytes, on stderr if that is a terminal.
pub fn bytes(words: &str, total: u64) -> ProgressBar {
    let form = "{msg:<24} [{bar:32}] {binary_bytes:>10} of {binary_total_bytes}, {eta} to go";
    styled(ProgressBar::new(total), words, form)
}

/// For work whose length is not known: how long it has taken.
pub fn waiting(words: &str) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), words, "{msg:<24} {spinner} {elapsed}");
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn styled(bar: ProgressBar, words: &str, form: &str) -> ProgressBar {
    // A form that is not understood costs its look, not the work.
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(words.to_owned())
}
