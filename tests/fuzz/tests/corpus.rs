//! Every input of the corpus, and every one that was a finding, through its target: what the fuzzer found once stays found.

use parloir_fuzz::{TARGETS, documents, seeds, target};
use std::path::Path;

#[test]
fn the_corpus_and_every_old_finding_run_without_a_finding() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        let mut count = 0;
        for folder in [here.join("corpus").join(target.name), here.join("artifacts").join(target.name)] {
            let Ok(files) = folder.read_dir() else { continue };
            for file in files {
                let path = file.unwrap().path();
                println!("{}", path.display());
                (target.run)(&std::fs::read(&path).unwrap());
                count += 1;
            }
        }
        assert!(count >= 5, "{}: only {count} inputs", target.name);
        seeds::of(target.name).iter().for_each(|seed| (target.run)(seed));
    }
}

/// How it was broken: pass let a relay's user have 256 characters, wire 128 bytes. The visit was admitted, and its call process hung up on.
#[test]
fn what_a_grant_may_say_call_can_be_told() {
    let grant = documents::KINDS.iter().position(|k| *k == "grant").unwrap();
    let lengths = [1, 127, 128, 129, 255, 256, 257];
    for (member, length) in ["user", "password", "url"].into_iter().flat_map(|m| lengths.map(|l| (m, l))) {
        let mut value = documents::good(grant);
        let text = value["relays"][0][member].as_str().unwrap().to_owned();
        value["relays"][0][member] = (text.clone() + &"x".repeat(length - text.len().min(length))).into();
        let json = serde_json::to_vec(&value).unwrap();
        (target("documents").unwrap().run)(&[&[1, u8::try_from(grant).unwrap()], json.as_slice()].concat());
    }
}

#[test]
fn the_corpus_is_small() {
    let mut bytes = 0;
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let sizes: Vec<u64> = folder.read_dir().unwrap().map(|f| f.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() <= 200, "{}: {} files: merge them (scripts/fuzz --merge)", target.name, sizes.len());
        bytes += sizes.iter().sum::<u64>();
    }
    assert!(bytes <= 1 << 20, "{bytes} bytes in all");
}
