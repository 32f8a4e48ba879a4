//! Owns: what other threads want done in the event loop's thread, and how it is woken for that.
//! Never: runs it.
//! Called by: pictures and tv, the two event loops of ours.

use nix::sys::eventfd::{EfdFlags, EventFd};
use slint::EventLoopError;
use slint::platform::EventLoopProxy;
use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// Tasks, and whether the loop is to end.
#[derive(Default)]
pub(crate) struct Queue {
    tasks: Mutex<(VecDeque<Task>, bool)>,
    bell: Condvar,
    descriptor: Option<EventFd>,
}

impl Queue {
    /// One whose bell is a descriptor, to be waited for beside others.
    pub(crate) fn with_descriptor() -> std::io::Result<Self> {
        let descriptor = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { descriptor: Some(descriptor), ..Self::default() })
    }

    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor.as_ref().map(|d| d.as_fd())
    }

    fn push(&self, task: Option<Task>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        match task {
            Some(task) => tasks.0.push_back(task),
            None => tasks.1 = true,
        }
        self.bell.notify_one();
        // It can only be too full to count further: then it rings already.
        let _ = self.descriptor.as_ref().map(|d| d.write(1));
    }

    /// What there is to do now. `None`: the loop is to end.
    pub(crate) fn take(&self) -> Option<VecDeque<Task>> {
        // Before the tasks: a bell that rings once too often wakes the loop for nothing, one too few lets a task lie.
        let _ = self.descriptor.as_ref().map(EventFd::read);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        (!tasks.1).then(|| std::mem::take(&mut tasks.0))
    }

    /// Waits until there is a task or the time is over. `None`: the loop is to end.
    pub(crate) fn wait(&self, longest: Duration) -> Option<VecDeque<Task>> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |t: &mut (VecDeque<Task>, bool)| t.0.is_empty() && !t.1;
        let (mut tasks, _) = self.bell.wait_timeout_while(tasks, longest, idle).unwrap_or_else(PoisonError::into_inner);
        (!tasks.1).then(|| std::mem::take(&mut tasks.0))
    }
}

/// Slint's end of a queue.
pub(crate) struct Proxy(pub(crate) Arc<Queue>);

impl EventLoopProxy for Proxy {
    fn quit_event_loop(&self) -> Result<(), EventLoopError> {
        self.0.push(None);
        Ok(())
    }
    fn invoke_from_event_loop(&self, event: Task) -> Result<(), EventLoopError> {
        self.0.push(Some(event));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxy, Queue};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use slint::platform::EventLoopProxy as _;
    use std::sync::Arc;

    fn rings(queue: &Queue) -> bool {
        let mut fds = [PollFd::new(queue.descriptor().unwrap(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
    }

    #[test]
    fn the_bell_rings_for_every_task_and_for_the_end() {
        let queue = Arc::new(Queue::with_descriptor().unwrap());
        let proxy = Proxy(queue.clone());
        assert!(!rings(&queue));
        proxy.invoke_from_event_loop(Box::new(|| ())).unwrap();
        proxy.invoke_from_event_loop(Box::new(|| ())).unwrap();
        assert!(rings(&queue));
        assert_eq!(queue.take().map(|tasks| tasks.len()), Some(2));
        assert!(!rings(&queue) && queue.take().is_some_and(|tasks| tasks.is_empty()));
        proxy.quit_event_loop().unwrap();
        assert!(rings(&queue) && queue.take().is_none());
    }
}
