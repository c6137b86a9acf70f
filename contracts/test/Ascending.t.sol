// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ascending} from "../src/Ascending.sol";

contract AscendingTest {
    using Ascending for bytes32[];

    bytes32[] words;
    mapping(bytes32 word => bool) holds;

    function testFuzz_stays_ascending_and_complete(bytes32[] memory inserted, uint256 removed) public {
        uint256 expected;
        for (uint256 i = 0; i < inserted.length && i < 64; i++) {
            if (holds[inserted[i]]) continue;
            words.insert(inserted[i]);
            holds[inserted[i]] = true;
            expected++;
            // Some are taken out again.
            if ((removed >> i) & 1 == 1) {
                bytes32 victim = words[uint256(keccak256(abi.encode(removed, i))) % words.length];
                words.remove(victim);
                holds[victim] = false;
                expected--;
            }
        }
        require(words.length == expected, "wrong length");
        for (uint256 i = 0; i < words.length; i++) {
            require(holds[words[i]], "a stranger");
            require(i == 0 || words[i - 1] < words[i], "out of order");
            require(words.place(words[i]) == i && words.placeAfter(words[i]) == i + 1, "wrong place");
        }
    }

    function testFuzz_place_divides_below_from_above(bytes32[] memory inserted, bytes32 word) public {
        for (uint256 i = 0; i < inserted.length && i < 32; i++) {
            if (!holds[inserted[i]]) words.insert(inserted[i]);
            holds[inserted[i]] = true;
        }
        uint256 place = words.place(word);
        for (uint256 i = 0; i < words.length; i++) {
            require((words[i] < word) == (i < place), "wrong side");
        }
        require(words.placeAfter(word) == place + (holds[word] ? 1 : 0), "wrong place after");
    }
}
