//! A host of the network: a namespace with one interface, whose packets come here.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    process::Command,
};

/// The interface's name in every namespace.
const INTERFACE: &str = "tun0";

/// A host. It is gone when this and every program in it are.
pub(crate) struct Host {
    /// What it sends is read here, one packet at a time; what is written here it receives. Doesn't block.
    pub(crate) packets: File,
    /// Keeps the namespace.
    namespace: File,
}

impl Host {
    /// Makes the host with address `10.9.0.(index + 1)`.
    pub(crate) fn new(index: usize) -> io::Result<Self> {
        // In a thread of its own: it leaves this process's namespace for ever.
        let made = std::thread::spawn(move || {
            // SAFETY: no pointers; only this thread is moved.
            done(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
            let packets = interface()?;
            ip(&["address", "add", &format!("{}/24", address(index)), "dev", INTERFACE])?;
            // A wide-area path's packets; a long queue, because packets are read in bursts.
            ip(&["link", "set", INTERFACE, "mtu", "1500", "txqueuelen", "10000", "up"])?;
            ip(&["link", "set", "lo", "up"])?;
            Ok(Self { packets, namespace: File::open("/proc/thread-self/ns/net")? })
        });
        made.join().map_err(|_| io::Error::other("the thread that makes a host panicked"))?
    }

    /// What `nsenter --net=` takes, as long as this process runs.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }
}

/// Address of a host.
pub(crate) fn address(index: usize) -> String {
    format!("10.9.0.{}", index + 1)
}

/// Which host a packet is for, if it is for one of `hosts`.
pub(crate) fn receiver(packet: &[u8], hosts: usize) -> Option<usize> {
    let ipv4 = packet.len() >= 20 && packet[0] >> 4 == 4;
    let index = usize::from(*packet.get(19)?).checked_sub(1)?;
    (ipv4 && packet[16..19] == [10, 9, 0] && index < hosts).then_some(index)
}

/// Makes the interface in this thread's namespace.
fn interface() -> io::Result<File> {
    let file = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: plain data, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(INTERFACE.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request outlives the call, and is what TUNSETIFF takes.
    done(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) })?;
    Ok(file)
}

/// The result of a system call.
fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Runs `ip` in this thread's namespace.
fn ip(args: &[&str]) -> io::Result<()> {
    let status = Command::new("ip").args(args).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("ip {}: {status}", args.join(" ")))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packets_to_a_host_have_a_receiver() {
        let packet = |version: u8, to: [u8; 4]| [&[version << 4][..], &[0; 15], &to].concat();
        assert_eq!(receiver(&packet(4, [10, 9, 0, 1]), 4), Some(0));
        assert_eq!(receiver(&packet(4, [10, 9, 0, 4]), 4), Some(3));
        for (version, to) in [(4, [10, 9, 0, 5]), (4, [10, 9, 0, 0]), (4, [10, 9, 1, 1]), (6, [10, 9, 0, 1])] {
            assert_eq!(receiver(&packet(version, to), 4), None, "{to:?}");
        }
        assert_eq!(receiver(&[0x45; 19], 4), None);
    }
}
