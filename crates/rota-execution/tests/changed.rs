//! The accounts that a flashblock changed, as the transaction pool asks for them.

mod common;

use alloy_primitives::{Address, TxKind, U256, hex};
use common::{fresh, spec};
use rota_execution::{
    At, Batch, EngineError,
    testing::{Request, dev_account},
};
use rota_types::Digest;

/// Init code that sends all its value to 0x77…77: `CALL(gas, to, callvalue, 0, 0, 0, 0)`.
const PAY_ON: &[u8] = &hex!("60006000600060003473" "7777777777777777777777777777777777777777" "5af100");

#[test]
fn internal_calls_change_accounts_too() {
    let chain = fresh(&spec());
    let to = Address::repeat_byte(0x77);
    let attributes = chain.attributes(Vec::new());
    let create = Request { to: TxKind::Create, input: PAY_ON.into(), gas: 200_000, ..Request::transfer(0, to, 5) };
    let create = [create.sign(dev_account(0))];
    let one = chain.flashblock(chain.tip().digest, Some(&attributes), &create, false).expect("one").position;
    let pay = [Request::transfer(0, Address::repeat_byte(0x88), 1).sign(dev_account(1))];
    let two = chain.flashblock(one.digest, None, &pay, true).expect("two").position;
    let (creator, payer) = (create[0].sender(), pay[0].sender());

    let changed = chain.engine.changed(one.digest).expect("known");
    assert!(changed.is_sorted_by_key(|(address, _)| *address));
    for (address, account) in &changed {
        let read = chain.engine.account(At::Flashblock(one.digest), *address).expect("read").unwrap_or_default();
        assert_eq!((account.nonce, account.balance), (read.nonce, read.balance), "{address}");
    }
    let of = |address| changed.iter().find(|(changed, _)| *changed == address).map(|(_, account)| *account);
    assert_eq!(of(to).expect("paid by the init code").balance, U256::from(5));
    assert_eq!(of(creator).expect("the sender").nonce, 1);
    assert!(of(payer).is_none(), "changed by its child only");

    chain.engine.commit(one.digest, Batch::default()).expect("committed");
    chain.engine.commit(two.digest, Batch::default()).expect("committed");
    let changed = chain.engine.changed(two.digest).expect("the newest certified one, sealed");
    assert!(changed.iter().any(|(address, account)| *address == payer && account.nonce == 1));
    assert!(!changed.iter().any(|(address, _)| *address == to), "changed by its parent only");
    assert!(matches!(chain.engine.changed(Digest::repeat_byte(9)), Err(EngineError::UnknownFlashblock(_))));
}
