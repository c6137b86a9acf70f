//! Simulations beside each other, each on a thread that nothing else runs on.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

/// A deeply nested future needs more than a thread usually has.
const STACK_BYTES: usize = 64 << 20;

/// Runs every item on one of `jobs` threads, and hands over what came of it as it ends; not in order.
pub fn on_threads<I: Send, O: Send>(
    jobs: usize,
    items: impl Iterator<Item = I> + Send,
    run: impl Fn(I) -> O + Sync,
    mut ended: impl FnMut(O),
) {
    let (items, run) = (&Mutex::new(items), &run);
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (told, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let told = told.clone();
            let work = move || {
                while let Some(item) = next() {
                    if told.send(run(item)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work).expect("a thread can be started");
        }
        drop(told);
        results.into_iter().for_each(&mut ended);
    });
}

/// The same on every core, with the results in the order of the items.
pub fn on_all_cores<I: Send, O: Send>(items: Vec<I>, run: impl Fn(I) -> O + Sync) -> Vec<O> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut results = Vec::with_capacity(items.len());
    on_threads(jobs, items.into_iter().enumerate(), |(place, item)| (place, run(item)), |result| results.push(result));
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        assert_eq!(
            on_all_cores((0..100).collect(), |item| item * 2),
            (0..100).map(|item| item * 2).collect::<Vec<_>>()
        );
    }
}
