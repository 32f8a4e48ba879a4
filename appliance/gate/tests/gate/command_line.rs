//! Owns: what gate refuses to start with, and that a gate without the feature `bench` has no bench doors.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use parloir_gate::config::parse;

fn refusal(words: &str) -> String {
    parse(words.split_whitespace().map(str::to_owned)).expect_err(words)
}

const ID: &str = "00112233445566778899aabbccddeeff";

#[test]
fn refusals_name_the_flag() {
    let good = format!("--device {ID} --site {ID} --arbiter-uid 7 --call-uid 8");
    let config = parse(good.split(' ').map(str::to_owned)).expect("good");
    assert_eq!((config.device[0], config.device[15], config.arbiter_uid), (0, 0xff, 7));
    assert_eq!(refusal(""), "--device is needed: 32 hexadecimal digits, not ''");
    assert_eq!(refusal(&format!("--device {ID}")), "--site is needed: 32 hexadecimal digits, not ''");
    assert_eq!(refusal(&format!("--device {ID} --site {ID}")), "--arbiter-uid is needed: a user by number, not ''");
    assert!(refusal(&format!("--device {}", &ID[1..])).starts_with("--device is needed"));
    assert!(refusal("--device +0112233445566778899aabbccddeef").starts_with("--device is needed"));
    assert_eq!(refusal("--site"), "--site needs a value");
    assert!(refusal(&format!("{good} --arbiter-uid root")).ends_with("not 'root'"));
    assert!(refusal(&format!("--device {ID} --site {ID} --arbiter-uid 7")).starts_with("--call-uid is needed"));
    assert!(refusal(&format!("{good} --call-uid nobody")).starts_with("--call-uid is needed"));
    assert!(refusal(&format!("{good} --site {ID}{ID}")).contains("--site"));
    for half in ["/sys/a", "/sys/a,1", "/sys/a,1,/sys/b", "/sys/a,1,/sys/b,0,/sys/c"] {
        let why = refusal(&format!("{good} --camera-switch {half}"));
        assert!(why.starts_with("a switch is PATH,VALUE,PATH,VALUE, to open and to shut"), "{why}");
    }
    assert!(refusal(&format!("{good} --no-ticket yes")).contains("unknown flag --no-ticket"));
}
