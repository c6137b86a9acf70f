//! A simulated disk: syncs take time, it can be full or fail, and a crash keeps of unsynced writes what it likes.

use super::host;
use commonware_runtime::{
    Blob, BlobVersion, Clock, Error, Handle, IoBufs, IoBufsMut, ReadOptions, Storage, WriteOptions,
    deterministic::Context,
};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::Arc,
    time::Duration,
};

/// How long a sync takes: half of them up to `median`, one of a hundred twice as long or more, the rarest four times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncTime {
    /// The median.
    pub median: Duration,
}

impl SyncTime {
    /// A busy disk of a small machine, as measured: median 4.0 ms, p99 8.1 ms.
    pub const BUSY: Self = Self { median: Duration::from_millis(4) };
    /// No time at all.
    pub const NONE: Self = Self { median: Duration::ZERO };

    /// Four fifths of the median, and a tail that halves with every fifth more: the two quantiles of [`Self::BUSY`].
    fn sample(self, rng: &mut StdRng) -> Duration {
        if self.median.is_zero() {
            return Duration::ZERO;
        }
        let tail = f64::from(rng.random_range(1..=u32::MAX)) / f64::from(u32::MAX);
        self.median.mul_f64(0.82 - 0.18 * tail.log2().max(-20.0))
    }
}

/// What goes wrong with every write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// No space is left: writes fail, reads work.
    Full,
    /// Syncs fail, writes seem to work.
    Sync,
}

/// A change that is not synced.
#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
    /// A write that was synced alone, over others that are not.
    Synced(u64, Vec<u8>),
}

type Key = (String, Vec<u8>);
type RuntimeBlob = <Context as Storage>::Blob;

struct State {
    rng: StdRng,
    sync_time: SyncTime,
    fault: Option<DiskFault>,
    /// Whether a crash leaves pieces of unsynced writes.
    tearing: bool,
    /// By blob, what is not synced, oldest first.
    unsynced: BTreeMap<Key, Vec<Change>>,
    /// By blob, what the last crash has left of that.
    torn: BTreeMap<Key, Vec<Change>>,
    /// Partitions that were opened.
    partitions: BTreeSet<String>,
    /// Crashes so far: blobs that were open before one are gone.
    crashes: u64,
}

/// One machine's disk. Cheap to clone; all clones are one disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: StdRng::seed_from_u64(seed),
            sync_time: SyncTime::NONE,
            fault: None,
            tearing: false,
            unsynced: BTreeMap::new(),
            torn: BTreeMap::new(),
            partitions: BTreeSet::new(),
            crashes: 0,
        })))
    }

    /// Sets how long syncs take.
    pub fn set_sync_time(&self, time: SyncTime) {
        self.0.lock().sync_time = time;
    }

    /// Breaks or mends it.
    pub fn set_fault(&self, fault: Option<DiskFault>) {
        self.0.lock().fault = fault;
    }

    /// What is wrong with it.
    pub fn fault(&self) -> Option<DiskFault> {
        self.0.lock().fault
    }

    /// Whether a crash leaves any subset of the bytes of any unsynced writes, instead of nothing.
    pub fn set_tearing(&self, tearing: bool) {
        self.0.lock().tearing = tearing;
    }

    /// What a write with a sync does here, for stores that are not blobs: the time that it takes, or why it fails.
    pub fn write(&self) -> Result<(), String> {
        let mut state = self.0.lock();
        if let Some(fault) = state.fault {
            return Err(format!("injected: {fault:?}"));
        }
        let State { rng, sync_time, .. } = &mut *state;
        host::block(sync_time.sample(rng));
        Ok(())
    }

    /// Copies every partition whose name begins with `from`, as it is durable now: its name then begins with `to`. For a
    /// machine that is cloned; no process may run on this one.
    pub async fn copy(&self, context: &Context, from: &str, to: &str) -> Result<(), Error> {
        let partitions = self.0.lock().partitions.clone();
        for partition in partitions.iter().filter(|partition| partition.starts_with(from)) {
            let names = match context.scan(partition).await {
                Ok(names) => names,
                Err(Error::PartitionMissing(_)) => continue,
                Err(error) => return Err(error),
            };
            let copy = partition.replacen(from, to, 1);
            for name in names {
                let any = BlobVersion::new(0)..=BlobVersion::new(u16::MAX);
                let (blob, len, version) = context.open_versioned(partition, &name, any).await?;
                let bytes = blob.read_at(0, len as usize, ReadOptions::default()).await?.coalesce();
                let (target, _, _) = context.open_versioned(&copy, &name, version..=version).await?;
                target.write_at(0, bytes, WriteOptions::default()).await?;
                target.sync().await?;
            }
        }
        Ok(())
    }

    pub(super) fn crash(&self) {
        let mut state = self.0.lock();
        state.crashes += 1;
        let State { rng, tearing, unsynced, torn, .. } = &mut *state;
        torn.clear();
        for (key, changes) in std::mem::take(unsynced) {
            if *tearing {
                let left = changes.into_iter().filter_map(|change| tear(change, rng)).collect();
                torn.insert(key, left);
            }
        }
    }

    pub(super) async fn open(
        &self,
        clock: Context,
        partition: &str,
        name: &[u8],
        (inner, mut len, version): (RuntimeBlob, u64, BlobVersion),
    ) -> Result<(HostBlob, u64, BlobVersion), Error> {
        let key = (partition.to_owned(), name.to_vec());
        let (torn, crashes) = {
            let mut state = self.0.lock();
            state.unsynced.remove(&key);
            state.partitions.insert(partition.to_owned());
            (state.torn.remove(&key), state.crashes)
        };
        for change in torn.into_iter().flatten() {
            match change {
                Change::Write(offset, bytes) | Change::Synced(offset, bytes) => {
                    len = len.max(offset + bytes.len() as u64);
                    inner.write_at(offset, bytes, WriteOptions::SYNC).await?;
                }
                Change::Resize(to) => {
                    len = to;
                    inner.resize(to).await?;
                    inner.sync().await?;
                }
            }
        }
        let blob = HostBlob { inner: Arc::new(inner), clock: Arc::new(clock), disk: self.clone(), key, crashes };
        Ok((blob, len, version))
    }

    /// Forgets what is removed; the time that it takes.
    pub(super) fn remove(
        &self,
        clock: &Context,
        partition: &str,
        name: Option<&[u8]>,
    ) -> Result<impl Future<Output = ()> + Send + 'static + use<>, Error> {
        let mut state = self.0.lock();
        let kept = |key: &Key| key.0 != partition || name.is_some_and(|name| key.1 != name);
        state.unsynced.retain(|key, _| kept(key));
        state.torn.retain(|key, _| kept(key));
        if state.fault.is_some() {
            return Err(failure("removal"));
        }
        let State { rng, sync_time, .. } = &mut *state;
        Ok(clock.sleep(sync_time.sample(rng)))
    }
}

/// What a crash leaves of one change: nothing, all, or for a write a piece from its beginning or any of its bytes'
/// sectors.
fn tear(change: Change, rng: &mut StdRng) -> Option<Change> {
    const SECTOR: usize = 512;
    match (change, rng.random_range(0..4)) {
        (change @ Change::Synced(..), _) => Some(change),
        (_, 0) => None,
        (change, 1) | (change @ Change::Resize(_), _) => Some(change),
        (Change::Write(offset, bytes), 2) => {
            let kept = rng.random_range(0..=bytes.len());
            (kept > 0).then(|| Change::Write(offset, bytes[..kept].to_vec()))
        }
        (Change::Write(offset, bytes), _) => {
            // One sector of it, wherever it lies: what was there before stays around it.
            let start = rng.random_range(0..bytes.len().max(1)) / SECTOR * SECTOR;
            let end = (start + SECTOR).min(bytes.len());
            (start < end).then(|| Change::Write(offset + start as u64, bytes[start..end].to_vec()))
        }
    }
}

fn failure(what: &str) -> Error {
    Error::Io(io::Error::other(format!("injected: {what} failed")).into())
}

/// A blob on a simulated disk.
pub struct HostBlob {
    inner: Arc<RuntimeBlob>,
    clock: Arc<Context>,
    disk: Disk,
    key: Key,
    crashes: u64,
}

impl HostBlob {
    /// What a write or a sync meets first.
    fn check(&self, what: &str, faults: &[DiskFault]) -> Result<(), Error> {
        let state = self.disk.0.lock();
        if state.crashes != self.crashes {
            return Err(Error::Closed);
        }
        if state.fault.is_some_and(|fault| faults.contains(&fault)) {
            return Err(failure(what));
        }
        Ok(())
    }

    fn changed(&self, change: Change) {
        let mut state = self.disk.0.lock();
        if matches!(change, Change::Synced(..)) {
            // Alone it is durable already.
            if let Some(changes) = state.unsynced.get_mut(&self.key) {
                changes.push(change);
            }
            return;
        }
        state.unsynced.entry(self.key.clone()).or_default().push(change);
    }

    fn sync_time(&self) -> Duration {
        let mut state = self.disk.0.lock();
        let State { rng, sync_time, .. } = &mut *state;
        sync_time.sample(rng)
    }

    /// Syncs after the time that it takes.
    fn synced(&self) -> impl Future<Output = Result<(), Error>> + Send + 'static + use<> {
        let checked = self.check("sync", &[DiskFault::Sync, DiskFault::Full]);
        let time = self.sync_time();
        let wait = (!time.is_zero()).then(|| self.clock.sleep(time));
        let (inner, disk, key, crashes) = (self.inner.clone(), self.disk.clone(), self.key.clone(), self.crashes);
        async move {
            if let Some(wait) = wait {
                wait.await;
            }
            checked?;
            if disk.0.lock().crashes != crashes {
                return Err(Error::Closed);
            }
            inner.sync().await?;
            disk.0.lock().unsynced.remove(&key);
            Ok(())
        }
    }
}

impl Blob for HostBlob {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.inner.read_at_buf(offset, len, bufs, options).await
    }

    async fn read_at(&self, offset: u64, len: usize, options: ReadOptions) -> Result<IoBufsMut, Error> {
        self.inner.read_at(offset, len, options).await
    }

    async fn write_at(&self, offset: u64, bufs: impl Into<IoBufs> + Send, options: WriteOptions) -> Result<(), Error> {
        self.check("write", &[DiskFault::Full])?;
        let bytes = bufs.into().coalesce();
        if options.contains(WriteOptions::SYNC) {
            self.check("sync", &[DiskFault::Sync])?;
            let time = self.sync_time();
            if !time.is_zero() {
                self.clock.sleep(time).await;
            }
            self.check("write", &[DiskFault::Full])?;
            self.changed(Change::Synced(offset, bytes.as_ref().to_vec()));
        } else {
            self.changed(Change::Write(offset, bytes.as_ref().to_vec()));
        }
        self.inner.write_at(offset, bytes, options).await
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        self.check("resize", &[DiskFault::Full])?;
        self.changed(Change::Resize(len));
        self.inner.resize(len).await
    }

    async fn sync(&self) -> Result<(), Error> {
        self.synced().await
    }

    async fn start_sync(&self) -> Handle<()> {
        Handle::from_future(self.synced())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_disk_is_as_slow_as_measured() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut times: Vec<_> = (0..100_000).map(|_| SyncTime::BUSY.sample(&mut rng).as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let quantile = |q: f64| times[(q * times.len() as f64) as usize];
        assert!((quantile(0.5) - 4.0).abs() < 0.1, "p50 {} ms", quantile(0.5));
        assert!((quantile(0.99) - 8.1).abs() < 0.2, "p99 {} ms", quantile(0.99));
    }
}
