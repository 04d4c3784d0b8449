//! Orders that are not over: which of their calls live, and what is still to be told.

use std::collections::{BTreeMap, BTreeSet};

use model::CallId;

use crate::outbound::{Denied, Placed};

#[derive(Debug)]
struct Order {
    /// `None` once told, or if nobody asks.
    request: Option<u64>,
    calls: Vec<Option<Result<CallId, Denied>>>,
    live: BTreeSet<CallId>,
}

/// Every order with something left to tell or to end; bounded by the calls.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    taken: u64,
    open: BTreeMap<u64, Order>,
}

impl Orders {
    /// Takes an order for so many numbers and returns its own number.
    pub(crate) fn take(&mut self, request: Option<u64>, numbers: usize) -> u64 {
        self.taken += 1;
        let order = Order { request, calls: vec![None; numbers], live: BTreeSet::new() };
        self.open.insert(self.taken, order);
        self.taken
    }

    /// A call of the order lives.
    pub(crate) fn join(&mut self, order: u64, call: CallId) {
        if let Some(order) = self.open.get_mut(&order) {
            order.live.insert(call);
        }
    }

    /// Notes what became of one number, unless that is known. Returns what to tell once all is.
    pub(crate) fn note(
        &mut self,
        (order, place): (u64, usize),
        outcome: Result<CallId, Denied>,
    ) -> Option<Placed> {
        let known = self.open.get_mut(&order)?;
        let noted = known.calls.get_mut(place).filter(|noted| noted.is_none())?;
        *noted = Some(outcome);
        let calls: Option<Vec<_>> = known.calls.iter().cloned().collect();
        let placed = known.request.zip(calls).map(|(request, calls)| Placed { request, calls });
        if placed.is_some() {
            known.request = None;
        }
        self.forget_if_over(order);
        placed
    }

    /// Returns the other live calls of an order.
    pub(crate) fn others(&self, order: u64, than: CallId) -> Vec<CallId> {
        let live = self.open.get(&order).into_iter().flat_map(|order| &order.live);
        live.copied().filter(|call| *call != than).collect()
    }

    /// A call of the order is over.
    pub(crate) fn leave(&mut self, order: u64, call: CallId) {
        if let Some(known) = self.open.get_mut(&order) {
            known.live.remove(&call);
        }
        self.forget_if_over(order);
    }

    /// Returns how many orders are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn forget_if_over(&mut self, order: u64) {
        let over = |known: &Order| known.live.is_empty() && known.calls.iter().all(Option::is_some);
        if self.open.get(&order).is_some_and(over) {
            self.open.remove(&order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    #[test]
    fn an_order_is_told_once_when_every_number_of_it_is_decided() {
        let mut orders = Orders::default();
        let order = orders.take(Some(7), 2);
        orders.join(order, CallId(1));
        assert_eq!(orders.note((order, 0), Ok(CallId(1))), None);
        let denied = Denied::from(Refusal::NoTariff);
        let told = orders.note((order, 1), Err(denied.clone())).unwrap();
        assert_eq!((told.request, told.calls), (7, vec![Ok(CallId(1)), Err(denied.clone())]));
        assert_eq!(orders.note((order, 1), Err(denied)), None, "once");
        orders.leave(order, CallId(1));
        assert_eq!(orders.len(), 0);
    }

    #[test]
    fn the_others_of_an_order_are_those_that_live() {
        let mut orders = Orders::default();
        let order = orders.take(None, 3);
        (1..=3).for_each(|call| orders.join(order, CallId(call)));
        orders.leave(order, CallId(2));
        assert_eq!(orders.others(order, CallId(3)), [CallId(1)]);
        assert_eq!(orders.others(99, CallId(3)), []);
    }
}
