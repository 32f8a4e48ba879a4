//! Owns: the camera's side of a USB camera that is made of software: answers what the kernel's UVC gadget leaves to a program, and joins the
//! gadget's bus (usbip-vudc) to a host's port (vhci_hcd). It has no pictures: neither bus carries isochronous transfers.
//! Never: part of an image.
//! Called by: a person in a guest, as docs/adr/0017 says: `usb_camera /dev/videoN`, the node of the gadget.

use std::fs::{File, write};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// `linux/usb/g_uvc.h`: connect, disconnect, stream on and off, setup, data.
const FIRST_EVENT: u32 = 0x0800_0000;
const EVENTS: u32 = 6;
const SETUP: u32 = FIRST_EVENT + 4;
/// Bytes of `struct v4l2_event`, `struct v4l2_event_subscription` and `struct uvc_request_data`.
const EVENT: usize = 136;
const SUBSCRIPTION: usize = 32;
const RESPONSE: usize = 64;

fn main() -> io::Result<()> {
    let node = std::env::args().nth(1).ok_or_else(|| io::Error::other("usb_camera /dev/videoN"))?;
    let gadget = File::options().read(true).write(true).open(node)?;
    for kind in FIRST_EVENT..FIRST_EVENT + EVENTS {
        let mut subscription = [0; SUBSCRIPTION];
        subscription[..4].copy_from_slice(&kind.to_ne_bytes());
        ioctl(&gadget, nix::request_code_write!(b'V', 90, SUBSCRIPTION), &mut subscription)?;
    }
    // Only now the gadget is to be seen by a host.
    let (device, host) = UnixStream::pair()?;
    write("/sys/devices/platform/usbip-vudc.0/usbip_sockfd", device.as_raw_fd().to_string())?;
    // Port 0, device 0, high speed.
    write("/sys/devices/platform/vhci_hcd.0/attach", format!("0 {} 0 3", host.as_raw_fd()))?;
    println!("plugged in");
    loop {
        poll(&mut [PollFd::new(gadget.as_fd(), PollFlags::POLLPRI)], PollTimeout::NONE)?;
        let mut event = [0; EVENT];
        ioctl(&gadget, nix::request_code_read!(b'V', 89, EVENT), &mut event)?;
        let [k0, k1, k2, k3, _, _, _, _, request @ ..] = event;
        if u32::from_ne_bytes([k0, k1, k2, k3]) == SETUP {
            ioctl(&gadget, nix::request_code_write!(b'U', 1, RESPONSE), &mut answer(&request))?;
        }
    }
}

/// The answer to a control request (USB 2.0, 9.3): what a host asks of probe and commit of the one stream (UVC 1.1, 4.3.1.1); a stall for
/// everything else.
fn answer(request: &[u8]) -> [u8; RESPONSE] {
    let (kind, code, selector, interface) = (request[0], request[1], request[3], request[4]);
    let asked = u16::from_le_bytes([request[6], request[7]]);
    let (length, content) = match (kind & 0x60, selector, interface, code) {
        (0x20, 1 | 2, 1, 0x01) => (i32::from(asked), Vec::new()),
        (0x20, 1 | 2, 1, 0x81..=0x84 | 0x87) => (i32::from(asked.min(34)), stream()),
        (0x20, 1 | 2, 1, 0x85) => (2, vec![34, 0]),
        (0x20, 1 | 2, 1, 0x86) => (1, vec![3]),
        _ => (-1, Vec::new()),
    };
    let mut response = [0; RESPONSE];
    response[..4].copy_from_slice(&length.to_ne_bytes());
    response[4..4 + content.len()].copy_from_slice(&content);
    response
}

/// 320x180 YUYV at 10/s.
fn stream() -> Vec<u8> {
    let mut control = vec![0; 34];
    (control[0], control[2], control[3]) = (1, 1, 1);
    control[4..8].copy_from_slice(&1_000_000_u32.to_le_bytes());
    control[18..22].copy_from_slice(&115_200_u32.to_le_bytes());
    control[22..26].copy_from_slice(&1024_u32.to_le_bytes());
    control
}

#[allow(unsafe_code)]
fn ioctl<const SIZE: usize>(file: &File, request: libc::Ioctl, argument: &mut [u8; SIZE]) -> io::Result<()> {
    // SAFETY: each request is made with the size of the array that goes with it, and the kernel reads and writes no more than that.
    nix::errno::Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), request, argument.as_mut_ptr()) })?;
    Ok(())
}
