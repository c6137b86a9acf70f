// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Ascending
/// @notice A set of words, stored in strictly ascending order. Its owner bounds the size: {insert} and {remove} move what
///         comes after the word.
library Ascending {
    /// @notice Index of the first word that is not below `word`; the length if there is none.
    function place(bytes32[] storage words, bytes32 word) internal view returns (uint256 low) {
        uint256 high = words.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (words[middle] < word) low = middle + 1;
            else high = middle;
        }
    }

    /// @notice Index of the first word above `word`; the length if there is none.
    function placeAfter(bytes32[] storage words, bytes32 word) internal view returns (uint256 index) {
        index = place(words, word);
        if (index < words.length && words[index] == word) index++;
    }

    /// @notice Puts a word that is not in the set into it.
    function insert(bytes32[] storage words, bytes32 word) internal {
        uint256 at = place(words, word);
        words.push(word);
        for (uint256 i = words.length - 1; i > at; i--) {
            words[i] = words[i - 1];
        }
        words[at] = word;
    }

    /// @notice Takes a word that is in the set out of it.
    function remove(bytes32[] storage words, bytes32 word) internal {
        for (uint256 i = place(words, word); i + 1 < words.length; i++) {
            words[i] = words[i + 1];
        }
        words.pop();
    }
}
