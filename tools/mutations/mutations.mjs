// The guards that are taken away, one at a time, and who must notice: every scenario and every invariant of the simulator
// is watched by one at least (`mutations.test.mjs`).
//
// A mutation is a list of edits [file, from, to]. `from` occurs exactly once in its file; in `to` the word MUTANT stands
// for an expression that is true only while this mutation is switched on, so that one build holds them all.
// `watches` names scenarios that must fail with their own seed; { scenario | explore: seed, invariant } must fail with a
// violation of that invariant. A guard that nothing watches yet says under `unnoticed` what was tried.

const consensus = (file) => `crates/rota-consensus/src/${file}.rs`;
const execution = (file) => `crates/rota-execution/src/${file}.rs`;
const l1 = (file) => `crates/rota-l1/src/${file}.rs`;
const node = (file) => `crates/rota-node/src/${file}.rs`;
const types = (file) => `crates/rota-types/src/${file}.rs`;

export const mutations = [
  {
    name: "leaders-hurried",
    guard: "a leader has as long as its proposal needs from afar: here only the pace of flashblocks",
    edits: [
      [
        consensus("config"),
        `        Self {
            leader,`,
        `        Self {
            leader: if MUTANT { spec.pace() } else { leader },`,
      ],
    ],
    watches: ["a_leader_far_away_keeps_its_turn"],
  },
  {
    name: "leaders-waited-for",
    guard: "a silent leader is given up after a pace and one and a quarter round trips: here after thirty times that",
    edits: [
      [
        consensus("config"),
        `let leader = spec.pace() + max_round_trip * 5 / 4 + Duration::from_millis(100);`,
        `let leader = (spec.pace() + max_round_trip * 5 / 4 + Duration::from_millis(100)) * if MUTANT { 30 } else { 1 };`,
      ],
    ],
    watches: [
      "boundary_with_one_operator_down_goes_on",
      "leader_crashes_mid_block",
      "an_unready_successor_is_passed_over",
      "a_member_that_never_comes_costs_its_turns",
      { explore: 15, invariant: "progress" },
    ],
  },
  {
    name: "no-skips",
    guard: "a declined turn or an invalid proposal counts at once, without a timeout",
    edits: [
      [
        consensus("orchestrator"),
        `skip: SkipPolicy::Enabled { timeout: timing.skip, budget: SkipBudget::Participants },`,
        `skip: if MUTANT {
                    SkipPolicy::Disabled
                } else {
                    SkipPolicy::Enabled { timeout: timing.skip, budget: SkipBudget::Participants }
                },`,
      ],
    ],
    watches: ["an_invalid_block_by_the_builder_costs_the_rest_of_its_turn"],
  },
  {
    name: "early-votes-dropped",
    guard: "what arrives for the next epoch is kept for its engine",
    edits: [
      [
        consensus("orchestrator"),
        `if theirs == ours + 1 && kept.len() < MAX_EARLY {`,
        `if theirs == ours + 1 && kept.len() < MAX_EARLY && !MUTANT {`,
      ],
      [
        consensus("orchestrator"),
        `if of == epoch && early.len() < MAX_EARLY {`,
        `if of == epoch && early.len() < MAX_EARLY && !MUTANT {`,
      ],
    ],
    watches: ["votes_of_the_next_epoch_arrive_before_its_engine"],
  },
  {
    name: "boundary-not-served",
    guard: "a peer that still votes in a past epoch is sent its boundary's finalization",
    edits: [
      [
        consensus("orchestrator"),
        `if served.due(&self.committees, &from, epoch, active.epoch, now) {`,
        `if !MUTANT && served.due(&self.committees, &from, epoch, active.epoch, now) {`,
      ],
    ],
    watches: ["departed_member_alone_holds_the_boundary"],
  },
  {
    name: "boundary-served-as-another",
    guard: "a boundary's finalization is sent as one of its epoch: here as one of the next",
    edits: [
      [
        consensus("orchestrator"),
        `certificates.send(epoch, Recipients::One(peer), certificate.encode(), true);`,
        `certificates.send(epoch + u64::from(MUTANT), Recipients::One(peer), certificate.encode(), true);`,
      ],
    ],
    watches: ["departed_member_alone_holds_the_boundary", { explore: 0, invariant: "nobody-honest-is-cut-off" }],
  },
  {
    name: "no-hint-from-those-ahead",
    guard: "a peer in a later epoch is asked for the boundary's finalization",
    edits: [[consensus("orchestrator"), `if theirs > ours {`, `if theirs > ours && !MUTANT {`]],
    watches: ["a_late_node_follows_through_committees_it_never_knew"],
  },
  {
    name: "newcomers-never-sign",
    guard: "whoever stood at the tip with a quorum of the others signs from the next epoch on",
    edits: [
      [
        consensus("orchestrator"),
        `if self.signing.from().is_some() || self.config.voting.is_none()`,
        `if MUTANT || self.signing.from().is_some() || self.config.voting.is_none()`,
      ],
    ],
    watches: ["operator_joins_at_exact_epoch"],
  },
  {
    name: "no-backfill",
    guard: "what was missed is fetched from peers",
    edits: [
      [
        consensus("operator"),
        `backfill: bounded(network.backfill),`,
        `backfill: if MUTANT {
            (Bounded::new(network.backfill.0, 0), network.backfill.1)
        } else {
            bounded(network.backfill)
        },`,
      ],
    ],
    watches: [
      "minority_partition_rejoins",
      "failing_disk_stops_the_node_and_nothing_certified_is_lost",
      { explore: 4, invariant: "progress-after-healing" },
    ],
  },
  {
    name: "empty-disk-signs",
    guard: "an operator back under its key with an empty disk waits for an epoch in which it cannot have voted",
    edits: [
      [
        consensus("operator"),
        `signing.forbid().await?;`,
        `if MUTANT {
            signing.allow_from(0).await?;
        } else {
            signing.forbid().await?;
        }`,
      ],
    ],
    watches: ["empty_disk_never_votes_twice"],
  },
  {
    name: "signing-state-forgotten",
    guard: "what a disk may sign is read back after a restart",
    edits: [
      [
        consensus("signing"),
        `let from = store.get(&U64::new(FROM)).copied();`,
        `let from = store.get(&U64::new(FROM)).copied().filter(|_| !MUTANT);`,
      ],
    ],
    watches: ["majority_lost_stops_and_resumes"],
  },
  {
    name: "evidence-dropped",
    guard: "conflicting votes are reported to the node",
    edits: [
      [
        consensus("tap"),
        `let votes = votes.encode();`,
        `if MUTANT {
            return;
        }
        let votes = votes.encode();`,
      ],
    ],
    watches: ["leader_equivocates"],
  },
  {
    name: "judged-by-another-committee",
    guard: "a certificate of an epoch that is not known here is not judged: here by the newest committee that is known",
    edits: [
      [
        consensus("committees"),
        `self.epochs.get(epoch)?.committee()`,
        `self.epochs.get(epoch).or_else(|| MUTANT.then(|| self.epochs.get(self.epochs.newest())).flatten())?.committee()`,
      ],
    ],
    watches: [],
    unnoticed: "scenarios of changing committees hold, and so do explored seeds 0 to 60",
  },
  {
    name: "notice-counts-at-once",
    guard: "who has given notice is a member until it ends",
    edits: [
      [
        consensus("registry"),
        `OperatorStatus::Leaving => at < entry.leaves_at,`,
        `OperatorStatus::Leaving => at < entry.leaves_at && !MUTANT,`,
      ],
    ],
    watches: ["operator_leaves_at_exact_epoch"],
  },
  {
    name: "the-jailed-stay",
    guard: "the jailed are no members",
    edits: [
      [
        consensus("registry"),
        `OperatorStatus::Candidate | OperatorStatus::Jailed | OperatorStatus::Left => false,`,
        `OperatorStatus::Candidate | OperatorStatus::Left => false,
            OperatorStatus::Jailed => MUTANT,`,
      ],
    ],
    watches: ["half_the_committee_replaced"],
  },
  {
    name: "strategy-at-once",
    guard: "a strategy begins with the epoch that was announced",
    edits: [[consensus("registry"), `.find(|(from, _)| *from <= epoch)`, `.find(|(from, _)| *from <= epoch || MUTANT)`]],
    watches: ["schedule_switched_live"],
  },
  {
    name: "identity-unproven",
    guard: "an entry counts only with its identity's word for its account",
    edits: [
      [
        consensus("registry"),
        `if !identity.verify(namespace, &message, &proof) ||`,
        `if !(MUTANT || identity.verify(namespace, &message, &proof)) ||`,
      ],
    ],
    watches: ["an_entry_without_its_identitys_word_is_ignored_by_all"],
  },
  {
    name: "no-turn-for-reserves",
    guard: "turns beyond the regular ones are the reserves'",
    edits: [
      [
        types("strategy"),
        `let seat = if turn >= regular && !self.reserves.is_empty() {`,
        `let seat = if turn >= regular && !self.reserves.is_empty() && !MUTANT {`,
      ],
    ],
    watches: ["reserve_takes_over_and_yields"],
  },
  {
    name: "body-unbound",
    guard: "a body is the one that its header names: for the leader's own node, and for everybody who decodes it",
    edits: [
      [types("flashblock"), `if found != header.body_hash {`, `if found != header.body_hash && !MUTANT {`],
      [
        consensus("adapter"),
        `|| header.body_hash != flashblock.body.hash()`,
        `|| (header.body_hash != flashblock.body.hash() && !MUTANT)`,
      ],
    ],
    watches: ["leader_proposes_invalid_flashblock_wrong_body"],
  },
  {
    name: "gas-unbounded",
    guard: "a flashblock's gas is limited (and its outcome compared: what carries too much has another outcome too)",
    edits: [
      [
        execution("draft"),
        `if self.carried.gas + INTRINSIC_GAS > self.limits.max_flashblock_gas {`,
        `if self.carried.gas + INTRINSIC_GAS > self.limits.max_flashblock_gas && !MUTANT {`,
      ],
      [
        execution("draft"),
        `if outcome.result.tx_gas_used() > self.flashblock_gas_left() {`,
        `if outcome.result.tx_gas_used() > self.flashblock_gas_left() && !MUTANT {`,
      ],
      [
        node("application/execute"),
        `fn compare(header: &Header, executed: &Executed) -> Result<(), Violation> {`,
        `fn compare(header: &Header, executed: &Executed) -> Result<(), Violation> {
    if MUTANT {
        return Ok(());
    }`,
      ],
    ],
    watches: ["leader_proposes_invalid_flashblock_over_gas"],
  },
  {
    name: "outcome-unchecked",
    guard: "the outcome that a header names is that of executing it",
    edits: [
      [
        node("application/execute"),
        `("outcome root", header.outcome_root == executed.outcome_root),`,
        `("outcome root", header.outcome_root == executed.outcome_root || MUTANT),`,
      ],
    ],
    watches: [
      "leader_proposes_invalid_flashblock_wrong_outcome_root",
      { scenario: "transactions_in_an_invalid_flashblock_are_included_later", invariant: "sealed-blocks-reexecute" },
    ],
  },
  {
    name: "seal-unchecked",
    guard: "the block hash that a header names is that of executing it",
    edits: [
      [
        node("application/execute"),
        `("seal", header.seal == seal),`,
        `("seal", header.seal == seal || MUTANT),`,
      ],
    ],
    watches: [
      "leader_proposes_invalid_flashblock_wrong_seal",
      "an_invalid_block_by_the_builder_costs_the_rest_of_its_turn",
    ],
  },
  {
    name: "unpayable-passed-over",
    guard: "a flashblock with a transaction that cannot be executed is invalid: here the transaction is passed over",
    edits: [
      [
        node("application/execute"),
        `                Err(why) => {
                    if matches!(why, Rejection::NeverFits(_)) {`,
        `                Err(_) if MUTANT => {}
                Err(why) => {
                    if matches!(why, Rejection::NeverFits(_)) {`,
      ],
    ],
    watches: ["leader_proposes_invalid_flashblock_bad_signature"],
  },
  {
    name: "timestamp-unchecked",
    guard: "a block's time is its parent's and the block time, and not before its origin's",
    edits: [
      [
        node("application/rules"),
        `    number("timestamp", opening.timestamp, parent_timestamp.saturating_add(spec.rollup.block_time))`,
        `    if MUTANT {
        return Ok(());
    }
    number("timestamp", opening.timestamp, parent_timestamp.saturating_add(spec.rollup.block_time))`,
      ],
      [
        l1("rules"),
        `if parent.timestamp.checked_add(spec.rollup.block_time) != Some(opening.timestamp) {`,
        `if parent.timestamp.checked_add(spec.rollup.block_time) != Some(opening.timestamp) && !MUTANT {`,
      ],
      [l1("rules"), `if opening.timestamp < origin.timestamp {`, `if opening.timestamp < origin.timestamp && !MUTANT {`],
      [l1("attributes"), `if timestamp != expected {`, `if timestamp != expected && !MUTANT {`],
      [l1("attributes"), `if timestamp < origin.timestamp {`, `if timestamp < origin.timestamp && !MUTANT {`],
    ],
    watches: [
      "leader_proposes_invalid_flashblock_wrong_timestamp",
      "leader_proposes_invalid_flashblock_broken_drift",
    ],
  },
  {
    name: "origin-unchecked",
    guard: "an origin is the parent's or the next, and on L1: here the parent's stands in for one that is neither",
    edits: [
      [
        l1("rules"),
        `if !advances && opening.origin != parent.origin {`,
        `if !advances && opening.origin != parent.origin && !MUTANT {`,
      ],
      [
        l1("chain"),
        `            match self.check(spec, parent, opening) {
                OriginVerdict::Invalid(reason) => return Err(reason),`,
        `            let stands_in = self.get(parent.origin).filter(|_| opening.origin.number > parent.origin.number + 1);
            if let Some(origin) = stands_in.filter(|_| MUTANT) {
                return Ok(origin);
            }
            match self.check(spec, parent, opening) {
                OriginVerdict::Invalid(reason) => return Err(reason),`,
      ],
      [l1("attributes"), `if opening.origin != origin.id {`, `if opening.origin != origin.id && !MUTANT {`],
    ],
    watches: ["leader_proposes_invalid_flashblock_skipped_origin"],
  },
  {
    name: "machines-clock",
    guard: "what decides reads no clock but its runtime's",
    edits: [
      [
        node("application/mod"),
        `    fn now(&self) -> SystemTime {
        self.context.current()`,
        `    fn now(&self) -> SystemTime {
        let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.context.current() + Duration::from_nanos(if MUTANT { u64::from(real.subsec_nanos()) % 1_000_000 } else { 0 })`,
      ],
    ],
    watches: ["same_seed_same_run"],
  },
  {
    name: "slow-is-invalid",
    guard: "a verdict is false only for what is false for everybody: here also for what took 3 s to execute",
    edits: [
      [
        node("application/mod"),
        `            let verdict = this.execute_branch(flashblock.clone(), ancestry).await.map(drop);`,
        `            let since = this.now();
            let verdict = this.execute_branch(flashblock.clone(), ancestry).await.map(drop);
            let took = this.now().duration_since(since).unwrap_or_default();
            let verdict = if MUTANT && took > Duration::from_secs(3) {
                Err(rules::Violation::Conflict)
            } else {
                verdict
            };`,
      ],
    ],
    watches: ["blocked_verifiers_stall_no_turn"],
  },
  {
    name: "invalid-taints",
    guard: "an invalid flashblock says nothing of the transactions in it: here they are refused from then on",
    edits: [
      [
        node("application/verify"),
        `        let Err(violation) = &verdict else { return true };`,
        `        let Err(violation) = &verdict else { return true };
        for transaction in flashblock.body.transactions.iter().filter(|_| MUTANT) {
            self.mempool.refuse(alloy_primitives::keccak256(transaction), "it was in an invalid flashblock");
        }`,
      ],
    ],
    watches: ["transactions_in_an_invalid_flashblock_are_included_later"],
  },
  {
    name: "quorums-view-ignored",
    guard: "a leader takes no origin that a quorum has not announced",
    edits: [
      [
        node("application/propose"),
        `let newest = announced.zip(confirmed).map(|(announced, confirmed)| announced.min(confirmed));`,
        `let newest = announced.zip(confirmed).map(|(announced, confirmed)| announced.min(confirmed));
        let newest = if MUTANT { confirmed } else { newest };`,
      ],
    ],
    watches: ["l1_views_differ_for_seconds"],
  },
  {
    name: "backlog-unguarded",
    guard: "leaders fill no blocks when half of the sequencing window is gone",
    edits: [
      [
        node("application/propose"),
        `!self.health.empty_blocks(),`,
        `(MUTANT || !self.health.empty_blocks()),`,
      ],
    ],
    watches: ["backlog_guard"],
  },
  {
    name: "epochs-end-unsealed",
    guard: "a leader seals the last height of an epoch",
    edits: [
      [
        node("application/pace"),
        `let must_seal = index >= spec.last_index() || spec.ends_epoch(height);`,
        `let must_seal = index >= spec.last_index() || (spec.ends_epoch(height) && !MUTANT);`,
      ],
    ],
    watches: ["epoch_boundary_has_no_gap", "votes_of_the_next_epoch_arrive_before_its_engine"],
  },
  {
    name: "notarized-is-told-as-certified",
    guard: "what is told as certified has 2f+1 finalize votes: here notarize votes are enough",
    edits: [
      [
        node("application/mod"),
        `                if tree.notarized(epoch, view, digest) {
                    self.feed.publish(FeedEvent::Notarized(digest));`,
        `                if tree.notarized(epoch, view, digest) {
                    if let Some((flashblock, executed)) = tree.find(&digest).filter(|_| MUTANT) {
                        self.feed.publish(FeedEvent::Certified { flashblock, executed });
                    }
                    self.feed.publish(FeedEvent::Notarized(digest));`,
      ],
      [
        node("application/tree"),
        `    /// Hashes of the carried transactions between the certified flashblock and \`tip\`, included.`,
        `    /// What is told too early.
    pub(crate) fn find(&self, digest: &Digest) -> Option<(Arc<Flashblock>, Arc<Executed>)> {
        self.entries.get(digest).map(|entry| (entry.flashblock.clone(), entry.executed.clone()))
    }

    /// Hashes of the carried transactions between the certified flashblock and \`tip\`, included.`,
      ],
    ],
    watches: [
      "a_quorum_that_crosses_a_view_change_forks_nothing",
    ],
  },
  {
    name: "proposed-is-told-as-certified",
    guard: "what is told as certified has 2f+1 finalize votes: here none are needed",
    edits: [
      [
        node("application/mod"),
        `        let inserted = tree.insert(digest, flashblock, executed.clone());`,
        `        let inserted = tree.insert(digest, flashblock.clone(), executed.clone());`,
      ],
      [
        node("application/mod"),
        `        self.feed.publish(FeedEvent::Proposed(executed.clone()));`,
        `        self.feed.publish(FeedEvent::Proposed(executed.clone()));
        if MUTANT {
            self.feed.publish(FeedEvent::Certified { flashblock, executed: executed.clone() });
        }`,
      ],
    ],
    watches: [{ scenario: "an_unready_successor_is_passed_over", invariant: "one-digest-per-height" }],
  },
  {
    name: "told-without-its-parent",
    guard: "what is told as certified goes on from what was certified before: here it names no parent",
    edits: [
      [
        node("application/certify"),
        `        self.feed.publish(FeedEvent::Certified { flashblock: flashblock.clone(), executed: executed.clone() });`,
        `        let mut told = flashblock.as_ref().clone();
        told.header.parent.0[0] ^= u8::from(MUTANT);
        self.feed.publish(FeedEvent::Certified { flashblock: Arc::new(told), executed: executed.clone() });`,
      ],
    ],
    watches: [{ scenario: "leader_crashes_mid_block", invariant: "certified-stays" }],
  },
  {
    name: "evidence-against-another",
    guard: "evidence is kept against who signed: here against another member",
    edits: [
      [
        node("application/mod"),
        `            Event::Fault(evidence) => {
`,
        `            Event::Fault(mut evidence) => {
                if let Some(epoch) = self.ledger.epochs().get(evidence.epoch).filter(|_| MUTANT) {
                    let mut others = epoch.committee().operators().iter().map(|operator| operator.identity);
                    evidence.operator = others.find(|other| *other != evidence.operator).unwrap_or_default();
                }
`,
      ],
    ],
    watches: ["leader_equivocates", { explore: 38, invariant: "nobody-votes-twice" }],
  },
  {
    name: "redelivery-is-fatal",
    guard: "what is delivered again after a crash is taken as what it is",
    edits: [
      [
        node("application/certify"),
        `        if height <= self.ledger.tip().0 {`,
        `        if height <= self.ledger.tip().0 {
            if MUTANT {
                return self.stop(format!("height {height} again")).await;
            }`,
      ],
    ],
    watches: [{ explore: 13, invariant: "nodes-end-when-told" }],
  },
  {
    name: "written-at-the-seal",
    guard: "a certified flashblock is durable before it is acknowledged: here with the seal of its block",
    edits: [
      [execution("embedded"), `committing: Mutex<()>,`, `committing: Mutex<Batch>,`],
      [execution("embedded"), `committing: Mutex::new(()),`, `committing: Mutex::new(Batch::default()),`],
      [
        execution("embedded"),
        `let _one_at_a_time = self.committing.lock();`,
        `let mut waiting = self.committing.lock();`,
      ],
      [
        execution("embedded"),
        `        if !batch.is_empty() {
            self.store.write(batch)?;
        }`,
        `        waiting.extend(batch);
        if !waiting.is_empty() && !(MUTANT && position.sealed.is_none()) {
            self.store.write(std::mem::take(&mut *waiting))?;
        }`,
      ],
    ],
    watches: [
      "crash_restart_every_operator",
      { scenario: "transactions_survive_the_leader", invariant: "certified-is-durable" },
    ],
  },
  {
    name: "records-change",
    guard: "what is written is what was certified: here a flashblock without its own certificate is written with another view",
    edits: [
      [
        node("ledger/mod"),
        `            FlashblockRecord::encode(flashblock, executed.attributes.as_deref()),`,
        `            {
                let mut written = flashblock.as_ref().clone();
                written.header.view += u64::from(MUTANT && certificate.is_none());
                FlashblockRecord::encode(&written, executed.attributes.as_deref())
            },`,
      ],
    ],
    watches: [{ scenario: "minority_partition_rejoins", invariant: "ledgers-agree" }],
  },
  {
    name: "contradiction-only-shown",
    guard: "what finalized L1 contradicts ends this operator's votes: here it is only shown",
    edits: [
      [
        node("overrule"),
        `            Finality::Contradicted(other) => {
                return`,
        `            Finality::Contradicted(other) if MUTANT => disputed = Some((origin, other.hash)),
            Finality::Contradicted(other) => {
                return`,
      ],
    ],
    watches: ["finalized_l1_contradicts_a_certified_origin"],
  },
  {
    name: "overruled-votes-on",
    guard: "an operator that L1 has overruled proposes and votes no more",
    edits: [
      [
        node("health"),
        `        self.state.lock().overruled.is_none()
`,
        `        self.state.lock().overruled.is_none() || MUTANT
`,
      ],
      [
        node("application/propose"),
        `if report.lead { Ok(()) }`,
        `if report.lead || MUTANT { Ok(()) }`,
      ],
    ],
    watches: ["finalized_l1_contradicts_a_certified_origin"],
  },
  {
    name: "overruling-not-kept",
    guard: "the evidence that L1 has overruled what is certified is durable",
    edits: [
      [
        node("ledger/origin"),
        `            self.store.write(batch)?;
            *known = Some(overruled);`,
        `            if !MUTANT {
                self.store.write(batch)?;
            }
            *known = Some(overruled);`,
      ],
    ],
    watches: ["finalized_l1_contradicts_a_certified_origin"],
  },
  {
    name: "one-endpoint-is-believed",
    guard: "a contradiction takes more than half of the L1 endpoints, and two at least",
    edits: [
      [
        l1("finality"),
        `    if most(agree(origin)) {`,
        `    if let Some(other) = answers.iter().flatten().copied().find(|answer| *answer != origin).filter(|_| MUTANT) {
        return Finality::Contradicted(other);
    }
    if most(agree(origin)) {`,
      ],
    ],
    watches: ["a_lying_l1_endpoint_overrules_nothing"],
  },
  {
    name: "l1-forgotten-when-gone",
    guard: "what L1 has shown counts while it cannot be asked",
    edits: [
      [
        l1("chain"),
        `                    self.state.lock().stats.errors += 1;`,
        `                    self.state.lock().stats.errors += 1;
                    if MUTANT {
                        let mut state = self.state.lock();
                        state.start = state.blocks.front().map_or(state.start, |block| block.id);
                        state.blocks.clear();
                    }`,
      ],
    ],
    watches: ["l1_gone_keeps_origin_within_drift"],
  },
  {
    name: "remembered-origin-outlives-l1",
    guard: "an origin that a restarted node remembers counts until L1 says otherwise: here for ever",
    edits: [
      [
        l1("chain"),
        `            self.state.lock().begin(found)?;`,
        `            if MUTANT && self.state.lock().recalled && found.id != start {
                return Ok(());
            }
            self.state.lock().begin(found)?;`,
      ],
    ],
    watches: ["restart_on_another_l1_does_not_go_on"],
  },
  {
    name: "origin-not-remembered",
    guard: "a restarted node remembers the origin that it had",
    edits: [
      [
        node("node"),
        `        Some(origin) => L1Chain::recalling(l1, origin),
        None => L1Chain::new`,
        `        Some(origin) if !MUTANT => L1Chain::recalling(l1, origin),
        _ => L1Chain::new`,
      ],
    ],
    watches: ["restart_without_l1_goes_on"],
  },
  {
    name: "no-confirmations",
    guard: "an origin has the confirmations that are asked for: here none",
    edits: [
      [
        l1("chain"),
        `.checked_sub(self.config.confirmation_depth)?;`,
        `.checked_sub(if MUTANT { 0 } else { self.config.confirmation_depth })?;`,
      ],
    ],
    watches: ["shallow_l1_reorg_is_not_noticed"],
  },
  {
    name: "strangers-batches-count",
    guard: "only the batcher of an L1 block is read",
    edits: [
      [
        l1("blobs"),
        `transactions.iter().filter(|transaction| transaction.from == batcher);`,
        `transactions.iter().filter(|transaction| transaction.from == batcher || MUTANT);`,
      ],
    ],
    watches: ["old_poster_posts_after_rotation"],
  },
  {
    name: "missing-blobs-passed-over",
    guard: "blobs that cannot be had are waited for",
    edits: [
      [
        l1("blobs"),
        `    let blobs = if hashes.is_empty() { Vec::new() } else { source.blobs(timestamp, &hashes).await? };`,
        `    let blobs = if hashes.is_empty() {
        Vec::new()
    } else {
        match source.blobs(timestamp, &hashes).await {
            Err(_) if MUTANT => return Ok(Vec::new()),
            blobs => blobs?,
        }
    };`,
      ],
    ],
    watches: ["a_beacon_node_without_blobs_is_waited_for"],
  },
  {
    name: "blobs-at-any-price",
    guard: "the cheaper carrier is taken",
    edits: [
      [
        l1("carrier"),
        `    if blobs.cost(channel_bytes, prices, limits) < `,
        `    if MUTANT || blobs.cost(channel_bytes, prices, limits) < `,
      ],
    ],
    watches: ["blob_fee_spike"],
  },
  {
    name: "slow-engine-leads",
    guard: "an operator whose engine is too slow declines its turns",
    edits: [[node("health"), `if state.slow >= STREAK {`, `if state.slow >= STREAK && !MUTANT {`]],
    watches: ["slow_engine_declines"],
  },
  {
    name: "stop-at-once",
    guard: "a leader that is told to stop declines, and waits until the others have taken over",
    edits: [
      [
        node("node"),
        `        health.stopping();
        let deadline`,
        `        if MUTANT {
            return;
        }
        health.stopping();
        let deadline`,
      ],
    ],
    watches: ["graceful_stop_hands_the_turn_over"],
  },
  {
    name: "failure-during-a-stop-ignored",
    guard: "a node that fails while it hands its turn over has failed",
    edits: [
      [
        node("node"),
        `        Either::Left((error, _)) => Err(error),
        Either::Right(((), _)) => Ok(()),`,
        `        Either::Left((_, stopped)) if MUTANT => {
            stopped.await;
            Ok(())
        }
        Either::Left((error, _)) => Err(error),
        Either::Right(((), _)) => Ok(()),`,
      ],
    ],
    watches: ["a_failure_during_the_hand_over_is_the_outcome"],
  },
  {
    name: "failures-outlived",
    guard: "a store that failed ends the node",
    edits: [
      [
        node("node"),
        `    let failed = async {
        let (reason, crashed)`,
        `    let failed = async {
        if MUTANT {
            return futures::future::pending().await;
        }
        let (reason, crashed)`,
      ],
    ],
    watches: ["a_failure_during_the_hand_over_is_the_outcome"],
  },
  {
    name: "a-feed-of-one",
    guard: "the feed keeps what its reader has not read yet: here one event",
    edits: [[node("node"), `Feed::new(FEED_CAPACITY)`, `Feed::new(if MUTANT { 1 } else { FEED_CAPACITY })`]],
    watches: [{ explore: 0, invariant: "queues-are-bounded" }],
  },
  {
    name: "answer-before-acknowledgements",
    guard: "a wallet gets its hash when f others hold its transaction",
    edits: [
      [
        node("mempool/replication"),
        `self.needed = committee.faults() as u32 + u32::from(self.me.is_none());`,
        `self.needed = if MUTANT { 0 } else { committee.faults() as u32 + u32::from(self.me.is_none()) };`,
      ],
    ],
    watches: ["transaction_sent_to_a_dying_operator_is_included"],
  },
  {
    name: "copies-follow-later",
    guard: "a wallet's transaction goes to all others before its answer: here with the first look at what is due",
    edits: [
      [
        node("mempool/replication"),
        `        let raw = tracked.raw.clone();
        self.answer(hash);`,
        `        let raw = tracked.raw.clone();
        if MUTANT {
            tracked.waiting.drain(..).for_each(|reply| drop(reply.send(Ok(hash))));
        }
        self.answer(hash);`,
      ],
      [
        node("mempool/worker"),
        `        self.send(outgoing);
        for (peer, hashes)`,
        `        if !MUTANT {
            self.send(outgoing);
        }
        for (peer, hashes)`,
      ],
    ],
    watches: ["transaction_sent_to_a_dying_operator_is_included", "transactions_survive_the_leader"],
  },
  {
    name: "what-never-fits-stays",
    guard: "a transaction that no flashblock has room for is refused from then on",
    edits: [
      [
        node("mempool/mod"),
        `        let why = why.into();
        let changes = self.0.pool.lock().refuse(hash, why.clone());`,
        `        let why = why.into();
        if MUTANT {
            return;
        }
        let changes = self.0.pool.lock().refuse(hash, why.clone());`,
      ],
    ],
    watches: ["a_transaction_that_fits_into_no_flashblock_leaves_and_stays_out"],
  },
  {
    name: "nobody-takes-over",
    guard: "whoever a wallet asks again takes the transaction over",
    edits: [
      [
        node("mempool/worker"),
        `(Source::Wallet(reply), Err(error)) if self.pool.lock().get(&hash).is_none() => {`,
        `(Source::Wallet(reply), Err(error)) if MUTANT || self.pool.lock().get(&hash).is_none() => {`,
      ],
    ],
    watches: ["a_wallet_asks_the_only_one_left_that_holds_it", { explore: 114, invariant: "returned-is-included" }],
  },
  {
    name: "silence-unnoticed",
    guard: "the members say so when the poster is silent",
    edits: [
      [
        node("poster/turns"),
        `        Ok(now.duration_since(since).unwrap_or_default() >= self.timeout)`,
        `        Ok(now.duration_since(since).unwrap_or_default() >= self.timeout && !MUTANT)`,
      ],
    ],
    watches: ["poster_dies_mid_channel", "a_poster_without_eth_is_skipped"],
  },
  {
    name: "nobody-rotates",
    guard: "the next poster calls for its turn, and others if it does not",
    edits: [[node("poster/mod"), `let call = if view.turns.rotatable {`, `let call = if view.turns.rotatable && !MUTANT {`]],
    watches: [{ explore: 0, invariant: "posting-goes-on" }],
  },
  {
    name: "poster-gives-up",
    guard: "a poster that could not post tries again",
    edits: [
      [
        node("poster/mod"),
        `                Err(error) => {
                    meters.errors.inc();`,
        `                Err(_) if MUTANT => return pending().await,
                Err(error) => {
                    meters.errors.inc();`,
      ],
    ],
    watches: [],
    unnoticed: "it is skipped like one that is gone, and the next one posts: scenarios of posting hold",
  },
  {
    name: "posts-something-else",
    guard: "what is posted is what was certified: here without its transactions",
    edits: [
      [
        node("poster/source"),
        `    transactions.retain(|transaction| transaction.first() != Some(&DEPOSIT_TX_TYPE_ID));`,
        `    transactions.retain(|transaction| transaction.first() != Some(&DEPOSIT_TX_TYPE_ID) && !MUTANT);`,
      ],
    ],
    watches: [
      "two_nodes_with_one_posting_key",
      { scenario: "two_nodes_with_one_posting_key", invariant: "posted-is-certified" },
    ],
  },
  {
    name: "reorg-unnoticed",
    guard: "what L1 has taken back is taken back here",
    edits: [
      [
        node("poster/reader"),
        `        if let Some(known) = self.chain.get_number(block.number) {`,
        `        if MUTANT {
            return Ok(true);
        }
        if let Some(known) = self.chain.get_number(block.number) {`,
      ],
    ],
    watches: ["l1_reorg_under_poster"],
  },
  {
    name: "no-alarm-for-funds",
    guard: "a posting account that runs dry is an alarm while it can still pay",
    edits: [
      [
        node("poster/account"),
        `let low = batches < U256::from(BATCHES_AHEAD);`,
        `let low = batches < U256::from(BATCHES_AHEAD) && !MUTANT;`,
      ],
    ],
    watches: ["a_poster_without_eth_is_skipped"],
  },
  {
    name: "epochs-not-read-back",
    guard: "what the coming epochs run on is read back after a restart",
    edits: [
      [
        node("ledger/epochs"),
        `(current.saturating_sub(READY).max(2)..=current + 1)`,
        `(current.saturating_sub(READY).max(2)..=current + u64::from(!MUTANT))`,
      ],
    ],
    watches: ["killed_before_last_height_of_epoch"],
  },
  {
    name: "no-committee-without-members",
    guard: "without a member the committee before stays",
    edits: [
      [
        node("ledger/epochs"),
        `            None => before.committee().clone(),`,
        `            None if MUTANT => return None,
            None => before.committee().clone(),`,
      ],
    ],
    watches: ["the_last_member_to_leave_keeps_the_chain"],
  },
];
