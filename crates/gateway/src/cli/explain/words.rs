//! What each ending means, for a person at a help desk.

/// Says what a label of `Ending` means.
pub(super) fn of(label: &str) -> &'static str {
    refused(label)
        .or_else(|| guarded(label))
        .or_else(|| ended(label))
        .unwrap_or("an ending that this version does not know")
}

fn ended(label: &str) -> Option<&'static str> {
    Some(match label {
        "caller_hung_up" => "the caller hung up",
        "callee_hung_up" => "the called person hung up",
        "busy" => "the called line was busy",
        "no_answer" => "nobody answered the call within the time that it may ring",
        "rejected" => "the called person, or their network, refused the call",
        "no_such_number" => "the network says that nobody has the called number",
        "call_failed" => "no trunk could complete the call; each is named above with its answer",
        "not_confirmed" => {
            "the call was answered but nobody pressed 1, so it never joined (voicemail does not); \
             the time from the answer on is charged, and shown under this ending alone"
        }
        "joined_elsewhere" => "another number that was called for the same person joined first",
        "meeting_over" => "nobody was left in the meeting before the called person had joined",
        "alone_limit" => {
            "alone in the meeting for the longest time, asked twice, and did not press 1"
        }
        "all_silent_limit" => {
            "nobody in the meeting said anything for the longest time; asked twice, and did not press 1"
        }
        "silent_limit" => {
            "said nothing in the meeting for the longest time, asked twice, and did not press 1"
        }
        "leg_limit" => "the call had its longest time: see leg_secs in [presence]",
        "cancelled" => "the caller gave up before the answer",
        "credit_exhausted" => {
            "the paid time ended and the account had no more credit: the leg was warned, then cut \
             at the end of what it had paid for"
        }
        "store_lost" => {
            "the store did not answer, so no more time could be paid for: the leg went on to the \
             end of what it had paid for"
        }
        "no_ack" => "the carrier never acknowledged the answer (no ACK within 32 s)",
        "session_expired" => "the carrier let the session timer run out (RFC 4028)",
        "peer_gone" => {
            "neither RTP nor RTCP came and the carrier no longer knew the call; billed to the last \
             sign of life"
        }
        "drained" => "the node was being stopped and the time for its last calls was over",
        "operator_hung_up" => "an operator ended it through the API",
        "panicked" => "a fault of ours in this one call ended it; please report it with the log",
        "fenced" => "another process had settled this node's legs, so it stopped serving them",
        "node_crashed" => {
            "the node died; at its next start the leg was settled by the last heartbeat and the \
             carrier got a BYE"
        }
        _ => return None,
    })
}

fn refused(label: &str) -> Option<&'static str> {
    Some(match label {
        "unknown_number" => "nobody answers the dialled number: it is not provisioned",
        "not_licensed" => {
            "the meeting's organizer holds no licence for this kind of call, or may not use credits"
        }
        "toll_free_disabled" => "the organizer does not admit toll-free callers",
        "outbound_policy" => "the organizer's outbound policy does not reach the destination",
        "destination_denied" => "the organization's own list denies the destination",
        "destination_premium" => "a premium-rate number, and the organization does not allow those",
        "destination_satellite" => {
            "a satellite or other international network, and the organization does not allow those"
        }
        "destination_shared_cost" => {
            "a shared-cost number, and the organization's list does not allow it"
        }
        "destination_personal" => {
            "a personal number, and the organization's list does not allow it"
        }
        "destination_short" => "a short code; only whole numbers are called",
        "destination_emergency" => {
            "emergency services are never called from a meeting: use your own telephone"
        }
        "destination_own_number" => "one of the bridge's own numbers: dial in instead",
        "destination_unassigned" => "no country has given the number out; check its first digits",
        "insufficient_credit" => "what was available did not cover the first increment",
        "no_tariff" => "no tariff has a price for this number and caller",
        "unknown_conference_id" => "every conference ID that was keyed in was wrong",
        "identification_timeout" => "no conference ID was keyed in within the time allowed",
        "meeting_full" => "the meeting had its most participants",
        "store_unavailable" => "the store did not answer, so nothing could be held",
        "media_unacceptable" => "the offer had no codec in common, or a forbidden media address",
        "malformed_sdp" => "the body of the INVITE was not a session description",
        "unknown_meeting" => "no meeting has the name or id that was given",
        "unknown_user" => "whoever asked for the call is no user of the meeting's organization",
        "dial_out_disabled" => "calls out are switched off for the meeting or its organization",
        "malformed_number" => "what was to be called is not a number",
        "already_called" => "the meeting was calling the number already, or it was in the meeting",
        "no_route" => "no trunk carried the call; each is named above with its reason",
        "withdrawn" => "the call was ended before it left",
        "caller_anonymous" => {
            "the caller withheld their number, and the trunk's caller_rules refuse it"
        }
        "caller_forged" => {
            "the caller's number failed verification, and the trunk's caller_rules refuse it"
        }
        "caller_unvouched" => {
            "too little vouched for the caller's number by the trunk's caller_rules"
        }
        "trunk_rate" => "the trunk sent more calls a second than it may",
        "trunk_full" => "the trunk had its most calls at once",
        "node_full" => "the node had its most calls, or no RTP port was free",
        "draining" => "the node takes no new calls while it is being stopped",
        _ => return None,
    })
}

/// Refusals that guard against fraud, abuse and overload.
fn guarded(label: &str) -> Option<&'static str> {
    Some(match label {
        "budget_concurrent" => "as many calls out lived at once as the budget allows",
        "budget_rate" => "calls out came faster than the budget allows",
        "budget_hour" => "what calls out may cost in an hour was spent",
        "budget_day" => "what calls out may cost in a day was spent",
        "budget_country" => "what calls to this country may cost in a day was spent",
        "country_unapproved" => "nobody has approved calls to this country yet: `tollgate approve`",
        "country_denied" => "calls to this country were denied: `tollgate suspended` says by whom",
        "max_duration" => "the call had its longest time by the budget",
        "organization_suspended" => {
            "the organization was suspended or stopped: `tollgate suspended` says by whom and why"
        }
        "user_suspended" => {
            "the user was suspended or stopped: `tollgate suspended` says by whom and why"
        }
        "number_suspended" => {
            "the number was suspended or stopped: `tollgate suspended` says by whom and why"
        }
        "trunk_suspended" => {
            "the trunk was suspended or stopped: `tollgate suspended` says by whom and why"
        }
        "caller_denied" => {
            "the list of callers of the number, or of its organization, denies the caller"
        }
        "line_denied" => {
            "the caller's line is of a class that the number or its organization refuses"
        }
        "unidentified_budget" => {
            "callers of this number, range or trunk had used up the time that may pass without a \
             conference ID: toll-free calls were refused for a while"
        }
        "guessing" => {
            "so many wrong conference IDs were keyed in that day that strangers' were not looked up \
             any more, right or wrong"
        }
        "meeting_spend" => "what the meeting may cost was spent: see spend_cap in [[meeting]]",
        "overloaded" => {
            "the node had more to do than it can: new calls were refused for the live ones' sake"
        }
        _ => return None,
    })
}
