// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {PostingTurns} from "../src/PostingTurns.sol";
import {PostingTurnsTest} from "./PostingTurnsTest.sol";
import {VM} from "./Vm.sol";

/// @notice What posting turns cost: whole transactions (isolated: cold storage, calldata and base cost included), with seven
///         members. Recorded in `snapshots/PostingTurns.json`; another figure fails.
contract PostingTurnsGasTest is PostingTurnsTest {
    function setUp() public {
        start(7);
        // Everybody has had a turn: what follows is the everyday cost.
        for (uint256 i = 0; i < 7; i++) {
            rotateInTime();
        }
    }

    /// forge-config: default.isolate = true
    function test_gas_of_posting_turns() public {
        rotateInTime();
        VM.snapshotGasLastCall("PostingTurns", "rotate");

        PostingTurns.Turn memory turn = turns.current();
        VM.roll(turn.startBlock + TENURE);
        bytes[] memory signatures = signAll(turns.skipDigest(turn.number), postingKeys(0, 3));
        turns.skip(turn.number, signatures);
        VM.snapshotGasLastCall("PostingTurns", "skip");
    }
}
