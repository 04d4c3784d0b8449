//! The system calls that a media thread and a clock need and std does not offer. Only
//! `gateway/src/clock.rs` and the media thread call them.
#![expect(unsafe_code, reason = "clock, affinity, entropy and limits have no safe wrapper in std")]

use std::io;
use std::mem;
use std::time::Duration;

/// Returns the time since boot, suspended time included (CLOCK_BOOTTIME).
#[must_use]
pub fn boot_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime only writes the timespec that it is given.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    debug_assert_eq!(failed, 0, "CLOCK_BOOTTIME is there since Linux 2.6.39");
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Returns how long the calling thread has worked (CLOCK_THREAD_CPUTIME_ID).
#[must_use]
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime only writes the timespec that it is given.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(failed, 0, "CLOCK_THREAD_CPUTIME_ID is there since Linux 2.6.12");
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Sleeps until that time since boot; returns at once if it has passed. A signal does not end it.
pub fn sleep_until(boot: Duration) {
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(boot.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(boot.subsec_nanos()),
    };
    loop {
        // SAFETY: clock_nanosleep only reads the timespec; with TIMER_ABSTIME it writes no rest.
        let error = unsafe {
            libc::clock_nanosleep(
                libc::CLOCK_BOOTTIME,
                libc::TIMER_ABSTIME,
                &raw const time,
                std::ptr::null_mut(),
            )
        };
        if error != libc::EINTR {
            return;
        }
    }
}

/// Returns the processors that this process may run on, in ascending order.
///
/// # Errors
/// As `sched_getaffinity(2)`.
pub fn processors() -> io::Result<Vec<usize>> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most the given size into the set.
    let failed = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let limit = 8 * size_of::<libc::cpu_set_t>();
    // SAFETY: CPU_ISSET reads a bit below the set's size.
    Ok((0..limit).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect())
}

/// Binds the calling thread to one processor.
///
/// # Errors
/// As `sched_setaffinity(2)`: the processor does not exist, or the process may not use it.
pub fn pin(processor: usize) -> io::Result<()> {
    if processor >= 8 * size_of::<libc::cpu_set_t>() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the bit lies inside the set, as checked above.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the kernel only reads the set; 0 is the calling thread.
    let failed =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the calling thread real-time priority (SCHED_FIFO, the lowest of its levels).
///
/// # Errors
/// As `sched_setscheduler(2)`: mostly that the process lacks CAP_SYS_NICE.
pub fn real_time() -> io::Result<()> {
    // SAFETY: sched_param is made of integers.
    let mut priority: libc::sched_param = unsafe { mem::zeroed() };
    priority.sched_priority = 1;
    // SAFETY: the kernel only reads the parameter; 0 is the calling thread.
    let failed = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns bytes of the kernel's generator, fit for secrets.
///
/// # Errors
/// As `getrandom(2)`.
pub fn entropy() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: the kernel writes at most the given length; 32 bytes are never cut short (≤ 256).
    let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if count == 32 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// Lets the process open at least `wanted` files, or as many as it may, and returns the limit.
///
/// # Errors
/// As `getrlimit(2)`; a wish that is not granted is no error.
pub fn allow_files(wanted: usize) -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit only writes the limit that it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let wanted = libc::rlim_t::try_from(wanted).unwrap_or(libc::rlim_t::MAX);
    if limit.rlim_cur < wanted {
        // A process that may raise the hard limit gets all of it; others go up to the hard limit.
        for hard in [limit.rlim_max.max(wanted), limit.rlim_max] {
            let raised = libc::rlimit { rlim_cur: wanted.min(hard), rlim_max: hard };
            // SAFETY: setrlimit only reads the limit.
            if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
                limit = raised;
                break;
            }
        }
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_ends_at_the_deadline_or_just_after() {
        let deadline = boot_time() + Duration::from_millis(20);
        sleep_until(deadline);
        assert!(boot_time() >= deadline);
        sleep_until(Duration::ZERO);
    }

    #[test]
    fn a_thread_can_be_pinned_to_a_processor_of_ours_and_to_no_other() {
        std::thread::spawn(|| {
            let ours = processors().unwrap();
            let first = *ours.first().unwrap();
            pin(first).unwrap();
            assert_eq!(processors().unwrap(), [first]);
            assert!(pin(100_000).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn entropy_differs_each_time() {
        assert_ne!(entropy().unwrap(), entropy().unwrap());
    }

    #[test]
    fn the_limit_of_files_is_never_lowered() {
        let before = allow_files(0).unwrap();
        assert!(allow_files(before).unwrap() >= before);
    }
}
