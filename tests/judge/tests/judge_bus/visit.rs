//! Owns: a box with the real gate at its home screen, and a visit on it up to the open door and back.
//! Never: hostile.
//! Called by: fuzz (what must still go), flood (what is timed).

use crate::cell::Courier;
use crate::doors::{Ended, Screen, deliver, press_ok, receive, start_call, start_gate, wait};
use crate::facility::{self, Visitor};
use crate::house::{House, LIMIT, LINK, UI};
use parloir_bench::outside::{FileId, holders};
use parloir_bus::proxy::{Calls1Proxy, Courier1Proxy};
use parloir_bus::view::Phase;
use parloir_shell::fds;
use parloir_wire::keys::KeyPress;
use parloir_wire::lease::{Fact, Progress};
use parloir_wire::start::{self, Start};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// A box; its parts are honest.
pub struct Stand {
    pub house: House,
    pub courier: Courier,
    pub screen: Screen,
    /// Where gate asks for call processes.
    pub calls: OwnedFd,
    _gate: Ended,
}

impl Stand {
    pub async fn set(mut house: House, gate: &Path) -> Self {
        let calls = fds::listen_at(&house.dir.join("call")).unwrap();
        let _gate = start_gate(&house, gate);
        house.start_arbiter().await;
        house.logged("gate connected").await;
        let mut courier = Courier::attach(&house).await;
        let mut screen = Screen::attach(&house).await;
        deliver(&house, &mut courier).await;
        house.logged("gate keeps the door record").await;
        screen.until(|v| v.phase == Phase::Home && v.clock_trusted).await;
        Self { house, courier, screen, calls, _gate }
    }

    /// Screen and courier are started again, as after a crash, and everything is as at the start.
    pub async fn recover(&mut self) {
        self.drained().await;
        let site = &self.house.site;
        self.courier = Courier::attach(&self.house).await;
        self.courier.proxy.online(true).await.unwrap();
        for (kind, body) in [("authority", &site.authority), ("policy", &site.policy_jws)] {
            self.courier.deliver(kind, body).await.unwrap();
        }
        self.courier.deliver("entitlement", &facility::entitlement(site, &site.person)).await.unwrap();
        self.screen = Screen::attach(&self.house).await;
        self.home().await;
    }

    /// What a flood left behind is worked off: the seats of its user are free again.
    async fn drained(&self) {
        let start = Instant::now();
        let (link, screen) = (self.house.connect(LINK).await, self.house.connect(UI).await);
        let (courier, calls) = (Courier1Proxy::new(&link).await.unwrap(), Calls1Proxy::new(&screen).await.unwrap());
        while courier.attach().await.is_err() || calls.attach().await.is_err() {
            assert!(start.elapsed() < LIMIT, "the arbiter answers nobody any more");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Hangs up whatever there is, and dismisses what is said about it.
    pub async fn home(&mut self) {
        let start = Instant::now();
        while self.screen.view.phase != Phase::Home || !self.screen.view.maintenance.is_empty() {
            assert!(start.elapsed() < LIMIT, "it does not come home: {:?}", self.screen.view);
            self.screen.calls.end().await.unwrap();
            self.screen.calls.dismiss().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.screen.view = self.screen.calls.attach().await.unwrap();
        }
    }

    /// Processes that hold the camera's source.
    pub fn watchers(&self) -> Vec<u32> {
        holders(FileId::of(&self.house.dir.join("camera.y4m")).unwrap())
    }

    /// From OK to open doors.
    pub async fn visit(&mut self) -> Visit {
        // A call that was silent for too long was started again; what is left of that is nobody's.
        while fds::accept(&self.calls).is_ok() {}
        while receive(&self.screen.keys, 24).is_some() {}
        press_ok(&self.house);
        let press = wait("the key", || receive(&self.screen.keys, 24)).await;
        let serial = KeyPress::decode(&press.bytes).unwrap().serial;
        let ana = self.screen.view.contacts[0].id.clone();
        self.screen.calls.place(&ana, "video", serial).await.unwrap();
        let (process, start, end) = start_call(&self.calls).await;
        let (id, body) = self.courier.next_of("ask").await;
        self.courier.proxy.sent(id).await.unwrap();
        let site = &self.house.site;
        let grant = facility::grant(site, &facility::open_ask(site, &body), &Visitor::new());
        self.courier.deliver("grant", &facility::seal(site, &grant, &site.grant)).await.unwrap();
        let mut doors = Vec::new();
        while doors.len() < 2 {
            let door = wait("a door", || receive(&start, start::SIZE)).await;
            assert!(matches!(Start::decode(&door.bytes).unwrap(), Start::Door { .. }));
            doors.extend(door.fds);
        }
        Visit { process, _start: start, end, _doors: doors }
    }
}

/// A visit with open doors.
pub struct Visit {
    pub process: Ended,
    _start: OwnedFd,
    end: OwnedFd,
    _doors: Vec<OwnedFd>,
}

impl Visit {
    /// The call process says for so long that it lives; whether it does at the end. An arbiter replaces one that is silent for 4 s.
    pub async fn lives_for(&mut self, time: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < time {
            let lives = Fact::Progress(Progress { at_ns: parloir_shell::BootTime::now_ns(), ..Default::default() });
            let _ = fds::send(&self.end, &lives.encode(), &[]);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.process.0.try_wait().unwrap().is_none()
    }

    /// When the call process was gone, which is when nobody can see any more.
    pub async fn gone(&mut self) -> Instant {
        wait("the end of the call process", || self.process.0.try_wait().unwrap()).await;
        Instant::now()
    }
}
