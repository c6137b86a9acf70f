//! The machine under one simulated operator: a clock that may be wrong, cores that are busy while they compute, a disk,
//! and a process that can die between any two steps.
//!
//! A [`HostContext`] is the deterministic runtime as this machine's process sees it: the code that ships runs on it
//! unchanged. Simulated time stands still while code runs, so what computing costs is [`charge`]d by those who know
//! (signatures, execution) and what waiting for a device costs is [`block`]ed. After each step of a task its core is busy
//! for what was charged, the task's next step or its result comes so much later, and what it sent leaves so much later.

use super::disk::{Disk, HostBlob};
use commonware_runtime::{
    BlobVersion, Clock, Error, Handle, Metrics, Name, Spawner, Storage, Supervisor,
    deterministic::Context,
    signal::Signal,
    telemetry::metrics::{Metric, Registered},
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use parking_lot::Mutex;
use rand_core::{TryCryptoRng, TryRng};
use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as TaskContext, Poll},
    time::{Duration, SystemTime},
};

/// What the step now running on this thread has cost so far.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    cpu: Duration,
    io: Duration,
}

thread_local! {
    /// The deterministic runtime polls on one thread, so there is one step at a time.
    static METER: Cell<Option<Meter>> = const { Cell::new(None) };
}

fn add(cost: impl FnOnce(&mut Meter)) {
    METER.with(|meter| {
        if let Some(mut so_far) = meter.get() {
            cost(&mut so_far);
            meter.set(Some(so_far));
        }
    });
}

/// The step now running has computed for so long. Nothing outside a simulated machine.
pub fn charge(cpu: Duration) {
    add(|meter| meter.cpu += cpu);
}

/// The step now running has waited for a device for so long, without a core. Nothing outside a simulated machine.
pub fn block(io: Duration) {
    add(|meter| meter.io += io);
}

/// How much later than now the step's effects happen.
pub(super) fn late() -> Duration {
    METER.with(|meter| meter.get().map_or(Duration::ZERO, |meter| meter.cpu + meter.io))
}

/// Why a process has died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Death {
    /// It was told to, by [`Host::die_after`] or [`Host::crash`].
    Told,
    /// A task panicked.
    Panic(String),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told => f.write_str("died as it was told"),
            Self::Panic(message) => write!(f, "panicked: {message}"),
        }
    }
}

/// Whether a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Life {
    /// It runs; with a number, it dies after so many steps.
    Alive(Option<u64>),
    /// Nothing of it runs any more.
    Dead(Death),
}

#[derive(Debug)]
struct State {
    life: Life,
    /// When each core is free.
    cores: Vec<SystemTime>,
    /// Percent of the usual time that computing takes.
    slowness: u32,
    /// How far its clock is ahead.
    ahead: Duration,
    /// How far its clock is behind.
    behind: Duration,
    /// CPU time used since it was made.
    used: Duration,
}

/// One operator's machine. Cheap to clone; all clones are one machine.
#[derive(Debug, Clone)]
pub struct Host {
    state: Arc<Mutex<State>>,
    disk: Disk,
    /// Counts the processes that have run: what an older one left behind touches nothing.
    process: Arc<AtomicU64>,
}

impl Host {
    /// A machine with so many cores, a correct clock and an empty disk. `seed` decides its disk's delays and what a
    /// crash leaves of unsynced writes.
    pub fn new(cores: usize, seed: u64) -> Self {
        let state = State {
            life: Life::Alive(None),
            cores: vec![SystemTime::UNIX_EPOCH; cores.max(1)],
            slowness: 100,
            ahead: Duration::ZERO,
            behind: Duration::ZERO,
            used: Duration::ZERO,
        };
        Self { state: Arc::new(Mutex::new(state)), disk: Disk::new(seed), process: Arc::default() }
    }

    /// Its disk.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Sets how far its clock is off. Timers that run already keep their time.
    pub fn set_clock(&self, ahead: Duration, behind: Duration) {
        let mut state = self.state.lock();
        (state.ahead, state.behind) = (ahead, behind);
    }

    /// Makes computing take so many percent of the usual time.
    pub fn set_slowness(&self, percent: u32) {
        self.state.lock().slowness = percent;
    }

    /// Lets the process die after so many more steps of its tasks: before the next await returns.
    pub fn die_after(&self, steps: u64) {
        let mut state = self.state.lock();
        if let Life::Alive(left) = &mut state.life {
            *left = Some(steps);
        }
    }

    /// Why the process has died, if it has.
    pub fn died(&self) -> Option<Death> {
        match &self.state.lock().life {
            Life::Dead(why) => Some(why.clone()),
            Life::Alive(_) => None,
        }
    }

    /// Everything in memory is gone, and of what was written without a sync as much as [`Disk::set_tearing`] says. What
    /// still runs of the process never takes another step; start the next one on [`Self::boot`].
    pub fn crash(&self) {
        self.state.lock().life = Life::Dead(Death::Told);
        self.process.fetch_add(1, Ordering::Relaxed);
        self.disk.crash();
    }

    /// A process on this machine, below `context`.
    pub fn boot(&self, context: Context) -> HostContext {
        let now = context.current();
        let mut state = self.state.lock();
        state.life = Life::Alive(None);
        state.cores.iter_mut().for_each(|free| *free = now);
        let process = self.process.load(Ordering::Relaxed);
        HostContext { inner: context, host: self.clone(), process }
    }

    /// CPU time that its processes have been charged.
    pub fn used(&self) -> Duration {
        self.state.lock().used
    }

    fn clock(&self, now: SystemTime) -> SystemTime {
        let state = self.state.lock();
        now + state.ahead - state.behind
    }

    /// The true time of a time on this machine's clock.
    fn truly(&self, shown: SystemTime) -> SystemTime {
        let state = self.state.lock();
        shown + state.behind - state.ahead
    }

    /// Whether this process may take a step now: on which core, or when; `None` if it never will.
    fn admit(&self, process: u64, now: SystemTime) -> Option<Result<usize, SystemTime>> {
        if self.process.load(Ordering::Relaxed) != process {
            return None;
        }
        let mut state = self.state.lock();
        let State { life, cores, .. } = &mut *state;
        let Life::Alive(left) = life else { return None };
        let (core, free) = cores.iter().enumerate().min_by_key(|(_, free)| **free).expect("a machine has a core");
        if *free > now {
            return Some(Err(*free));
        }
        match left {
            Some(0) => {
                *life = Life::Dead(Death::Told);
                return None;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Some(Ok(core))
    }

    /// Books what a step has cost; the time when its effects happen.
    fn book(&self, core: usize, now: SystemTime, cost: Meter) -> SystemTime {
        if cost.cpu.is_zero() {
            return now + cost.io;
        }
        let mut state = self.state.lock();
        let cpu = cost.cpu * state.slowness / 100;
        state.used += cpu;
        state.cores[core] = now + cpu;
        now + cpu + cost.io
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        self.state.lock().life = Life::Dead(Death::Panic(text));
    }
}

/// The deterministic runtime as one process on a [`Host`] sees it.
pub struct HostContext {
    inner: Context,
    host: Host,
    process: u64,
}

impl fmt::Debug for HostContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostContext").finish_non_exhaustive()
    }
}

impl HostContext {
    /// The runtime itself, for what happens outside of the machine, and whether this process still runs.
    pub(super) fn outside(&self) -> (Context, impl Fn() -> bool + Send + Sync + use<>) {
        let (host, process) = (self.host.clone(), self.process);
        let alive = move || host.process.load(Ordering::Relaxed) == process && host.died().is_none();
        (self.inner.child("outside"), alive)
    }

    fn with(&self, inner: Context) -> Self {
        Self { inner, host: self.host.clone(), process: self.process }
    }
}

impl Supervisor for HostContext {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        self.with(self.inner.child(label))
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        Self { inner: self.inner.with_attribute(key, value), ..self }
    }
}

impl Spawner for HostContext {
    fn shared(self, blocking: bool) -> Self {
        Self { inner: self.inner.shared(blocking), ..self }
    }

    fn dedicated(self) -> Self {
        Self { inner: self.inner.dedicated(), ..self }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Self { inner, host, process } = self;
        inner.spawn(move |inner| {
            let clock = inner.child("core");
            let context = Self { inner, host: host.clone(), process };
            Steps { clock, host, process, task: Box::pin(f(context)), wait: None, result: None }
        })
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

/// A task whose steps wait for a core and take time.
struct Steps<Fut: Future> {
    clock: Context,
    host: Host,
    process: u64,
    task: Pin<Box<Fut>>,
    /// Until a core is free, or the last step's effects have happened.
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// What the last step returned, while that waits.
    result: Option<Fut::Output>,
}

impl<Fut: Future> Unpin for Steps<Fut> {}

impl<Fut: Future> Future for Steps<Fut> {
    type Output = Fut::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Fut::Output> {
        loop {
            if let Some(wait) = &mut self.wait {
                if wait.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.wait = None;
            }
            if let Some(result) = self.result.take() {
                return Poll::Ready(result);
            }
            let now = self.clock.current();
            let core = match self.host.admit(self.process, now) {
                None => return Poll::Pending,
                Some(Err(free)) => {
                    self.wait = Some(Box::pin(self.clock.sleep_until(free)));
                    continue;
                }
                Some(Ok(core)) => core,
            };
            METER.set(Some(Meter::default()));
            let step = catch_unwind(AssertUnwindSafe(|| self.task.as_mut().poll(cx)));
            let cost = METER.take().unwrap_or_default();
            let Ok(step) = step.map_err(|panic| self.host.panicked(&*panic)) else { return Poll::Pending };
            let done = self.host.book(core, now, cost);
            if done > now {
                self.wait = Some(Box::pin(self.clock.sleep_until(done)));
            }
            match step {
                Poll::Ready(result) if done > now => self.result = Some(result),
                Poll::Pending if done > now => {}
                step => return step,
            }
        }
    }
}

impl Clock for HostContext {
    fn current(&self) -> SystemTime {
        self.host.clock(self.inner.current())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.inner.sleep(duration)
    }

    fn sleep_until(&self, deadline: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.inner.sleep_until(self.host.truly(deadline))
    }
}

impl GovernorClock for HostContext {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl ReasonablyRealtime for HostContext {}

impl Metrics for HostContext {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(&self, name: N, help: H, metric: M) -> Registered<M> {
        self.inner.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.inner.encode()
    }
}

impl TryRng for HostContext {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.inner.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.inner.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.inner.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for HostContext {}

impl Storage for HostContext {
    type Blob = HostBlob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(HostBlob, u64, BlobVersion), Error> {
        let opened = self.inner.open_versioned(partition, name, versions).await?;
        self.host.disk.open(self.inner.child("disk"), partition, name, opened).await
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.host.disk.remove(&self.inner, partition, name)?.await;
        self.inner.remove(partition, name).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.scan(partition).await
    }
}
