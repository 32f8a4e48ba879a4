//! Owns: a screen that was taken over: it attaches as the real one may, and dials without anybody having pressed a key.
//! Never: part of anything but the tests that bite.
//! Called by: the stage, as `parloir-bench rogue`, as the screen's own user.

use parloir_bus::proxy::Calls1Proxy;
use serde_json::json;

/// Attaches, places a call to the first contact with a serial that no key has, and prints what came of it as one line of JSON.
///
/// # Errors
/// The bus or the arbiter is not there.
pub async fn dial() -> zbus::Result<()> {
    let bus = zbus::Connection::system().await?;
    let calls = Calls1Proxy::new(&bus).await?;
    let view = calls.attach().await?;
    let contact = view.contacts.first().map(|contact| contact.id.clone()).unwrap_or_default();
    let mut answers = Vec::new();
    for serial in [0, 1, u64::MAX] {
        answers.push(match calls.place(&contact, "video", serial).await {
            Ok(call) => format!("placed {call}"),
            Err(why) => why.to_string(),
        });
    }
    let view = calls.attach().await?;
    let outcome = view.outcome.map(|outcome| outcome.code);
    println!(
        "{}",
        json!({ "event": "rogue", "answers": answers, "phase": format!("{:?}", view.phase).to_lowercase(), "code": outcome })
    );
    Ok(())
}
