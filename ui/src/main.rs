//! Owns: the start of the screen: command line, platform, the threads and how they meet in the event loop.
//! Never: anything that could be tested without a process.
//! Called by: systemd, or the bench's supervisor.

use parloir_shell::args::{Args, Flag};
use parloir_ui::bridge::{self, FromBus, Inside};
use parloir_ui::pictures::{Canvas, Headless};
use parloir_ui::screen::{Stage, boot_ms};
use parloir_ui::shown::App;
use parloir_ui::stills;
use parloir_ui::tv::{Place, Tv};
use parloir_ui::video::Mailbox;
use slint::{ComponentHandle as _, Timer, TimerMode};
use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tracing::{error, info};

const FLAGS: &[Flag] = &[
    Flag::optional("--pictures", "render into memory and write PNGs into this directory, instead of onto a screen"),
    Flag::switch("--kms", "onto the TV, by kernel mode setting, as on the box"),
    Flag::optional("--stills", "write the pictures that stand without a screen into this directory, and end"),
    Flag::switch("--window", "a window of 1280x720 (the default where there is a display)"),
    #[cfg(feature = "bench")]
    Flag::optional("--bench-remote", "forward window keys as input events to gate's bench door at this path"),
];

/// What lives in the event loop's thread.
struct Loop {
    stage: Stage,
    canvas: Option<Rc<Canvas>>,
}

thread_local! {
    static LOOP: RefCell<Option<Loop>> = const { RefCell::new(None) };
}

fn main() {
    parloir_shell::log::init("ui");
    let args = Args::from_command_line("parloir-ui", "the screen", FLAGS);
    let done = args.optional("--stills").map_or_else(|| run(&args), |directory| stills::write(directory.as_ref()));
    if let Err(error) = done {
        error!(%error, "the screen cannot start");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let (drawn, stands) = watch::channel(false);
    let drawn = Rc::new(drawn);
    let canvas = platform(args, &drawn)?;
    let app = App::new()?;
    #[cfg(feature = "bench")]
    bench_remote(args, &app)?;
    let (requests, asked) = unbounded_channel();
    let mailbox = Arc::new(Mailbox::default());
    let stage = Stage::new(app.clone_strong(), requests, mailbox.clone());
    LOOP.set(Some(Loop { stage, canvas }));
    start_bridge(mailbox, Inside { requests: asked, drawn: stands })?;
    let (clock, kms) = (Timer::default(), args.has("--kms"));
    clock.start(TimerMode::Repeated, Duration::from_secs(1), move || {
        on_stage(|stage| stage.tick(boot_ms()));
        if !kms {
            // In a window or in memory the loop that turns is the one that draws.
            drawn.send_replace(true);
        }
        parloir_shell::notify::watchdog();
    });
    if !args.has("--kms") {
        parloir_shell::notify::ready();
    }
    app.run()?;
    LOOP.set(None);
    Ok(())
}

/// On the TV with `--kms`, headless with `--pictures`; else what `SLINT_BACKEND` names, or a window drawn in software.
fn platform(args: &Args, drawn: &Rc<watch::Sender<bool>>) -> Result<Option<Rc<Canvas>>, Box<dyn Error>> {
    if args.has("--kms") {
        let drawn = drawn.clone();
        let told = move |place: &Place| {
            drawn.send_replace(matches!(place, Place::On(_)));
            tell(place);
        };
        slint::platform::set_platform(Box::new(Tv::new(Box::new(told))?)).map_err(|e| e.to_string())?;
        return Ok(None);
    }
    let Some(directory) = args.optional("--pictures") else {
        if std::env::var_os("SLINT_BACKEND").is_none() {
            slint::BackendSelector::new().backend_name("winit".into()).renderer_name("software".into()).select()?;
        }
        return Ok(None);
    };
    let canvas = Canvas::new(Some(directory.as_ref()))?;
    slint::platform::set_platform(Box::new(Headless::new(canvas.clone()))).map_err(|e| e.to_string())?;
    Ok(Some(canvas))
}

/// Ready is who shows a picture, or has nothing to show one on: boot goes on, and the picture comes with the TV.
fn tell(place: &Place) {
    let words = match place {
        Place::On(tv) => format!("on {tv}"),
        Place::NoTv => "waiting for the TV".to_owned(),
        Place::NoCard(why) => format!("waiting for a graphics card: {why}"),
    };
    info!(boot_ms = boot_ms(), "{words}");
    parloir_shell::notify::status(&words);
    parloir_shell::notify::ready();
}

#[cfg(feature = "bench")]
fn bench_remote(args: &Args, app: &App) -> Result<(), Box<dyn Error>> {
    use parloir_ui::shown::Api;
    if let Some(path) = args.optional("--bench-remote") {
        let keyboard = RefCell::new(parloir_ui::bench::Keyboard::new(path.as_ref())?);
        app.global::<Api<'_>>().on_raw_key(move |text, pressed| keyboard.borrow_mut().forward(&text, pressed));
    }
    Ok(())
}

/// Runs in the event loop; nothing before it starts or after it ended.
fn on_stage(act: impl FnOnce(&mut Stage)) {
    LOOP.with_borrow_mut(|inside| {
        let Some(Loop { stage, canvas }) = inside else { return };
        act(stage);
        if stage.is_spent() {
            // The service manager starts the next one on the screen that stands now.
            let _ = slint::quit_event_loop();
        }
        if let Some(canvas) = canvas {
            canvas.screen_is(stage.screen());
        }
    });
}

/// Hands work to the event loop from any thread; after its end there is nothing left to do.
fn post(act: impl FnOnce(&mut Stage) + Send + 'static) {
    let _ = slint::invoke_from_event_loop(move || on_stage(act));
}

fn start_bridge(mailbox: Arc<Mailbox>, inside: Inside) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wake = Arc::new(|| post(|stage| stage.take_pictures()));
    let frames = bridge::show_frames(mailbox, wake);
    let sink: bridge::Sink = Arc::new(|message: FromBus| post(move |stage| stage.take(message)));
    std::thread::Builder::new().name("bus".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = bridge::run(sink, frames, inside) => {}
                () = picture_signal() => {}
                () = end_signal() => {}
            }
        });
        let _ = slint::quit_event_loop();
    })?;
    Ok(())
}

/// `SIGUSR1`: take a picture of what is shown now. Never ends.
async fn picture_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else { return std::future::pending().await };
    while asked.recv().await.is_some() {
        let _ = slint::invoke_from_event_loop(|| LOOP.with_borrow(take_latest));
    }
}

fn take_latest(inside: &Option<Loop>) {
    if let Some(Loop { canvas: Some(canvas), .. }) = inside {
        canvas.take_latest();
    }
}

/// `SIGTERM`.
async fn end_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut asked) => drop(asked.recv().await),
        Err(_) => std::future::pending().await,
    }
    parloir_shell::notify::stopping();
}
