//! Offers and answers, as a table; and whatever a network can make of them.
//!
//! In the table `|` ends a line, and what every description begins with is left out.
#![expect(clippy::unwrap_used, reason = "a broken table should fail loudly")]

use media::command::{Codec, Direction, Flow};
use media::sdp::{self, Agreed, Local, OwnKeys, SdpError, Srtp};
use media::srtp::Keying;
use model::IpPrefix;
use proptest::prelude::*;

/// Plain audio from a carrier; the start of many rows.
const HEAD: &str = "v=0\r\no=carrier 7 7 IN IP4 192.0.2.9\r\ns=call\r\n";

/// What is offered; what is agreed, in short; our m-lines.
const OFFERS: &[(&str, &str, &str)] = &[
    // Codecs: the first of theirs that we speak is sent.
    (
        "c=IN IP4 192.0.2.9|t=0 0|m=audio 4000 RTP/AVP 0",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 8 0",
        "PCMA 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 8 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 9 18 0 8|a=rtpmap:9 G722/8000",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0 8",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=rtpmap:0 pcmu/8000/1",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0 8|a=rtpmap:0 L16/8000",
        "PCMA 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 8",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0 0 8 8",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0 8",
    ),
    ("c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 96|a=rtpmap:96 opus/48000/2", "no common codec", ""),
    ("c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 97|a=rtpmap:97 PCMU/8000", "no common codec", ""),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 101|a=rtpmap:101 telephone-event/8000",
        "no common codec",
        "",
    ),
    // Digits and comfort noise.
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-16",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv digits 101",
        "audio 7000 RTP/AVP 0 101",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 127 8|a=rtpmap:127 TELEPHONE-EVENT/8000",
        "PCMA 20 192.0.2.9:4000 rtcp 4001 sendrecv digits 127",
        "audio 7000 RTP/AVP 8 127",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0 98 99|a=rtpmap:98 telephone-event/16000|a=rtpmap:99 telephone-event/8000",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv digits 99",
        "audio 7000 RTP/AVP 0 99",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0 101",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=rtpmap:101 telephone-event/8000",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 13 0",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv noise",
        "audio 7000 RTP/AVP 0 13",
    ),
    // Length of packets.
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=ptime:30",
        "PCMU 30 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=ptime:5",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=ptime:200",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=ptime:x|a=maxptime:10",
        "PCMU 10 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=ptime:60|a=maxptime:45",
        "PCMU 40 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    // Hold, in every form, and its end.
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=sendonly",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 recvonly held",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=inactive",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 inactive held",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=recvonly",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendonly",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|a=sendonly|m=audio 4000 RTP/AVP 0",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 recvonly held",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|a=inactive|m=audio 4000 RTP/AVP 0|a=sendrecv",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 0.0.0.0|m=audio 4000 RTP/AVP 0",
        "PCMU 20 0.0.0.0:4000 recvonly held",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|c=IN IP4 0.0.0.0|a=sendonly",
        "PCMU 20 0.0.0.0:4000 recvonly held",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 0.0.0.0|m=audio 4000 RTP/AVP 0|a=inactive",
        "PCMU 20 0.0.0.0:4000 inactive held",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 0.0.0.0|m=audio 4000 RTP/AVP 0|a=recvonly",
        "PCMU 20 0.0.0.0:4000 inactive held",
        "audio 7000 RTP/AVP 0",
    ),
    // Other lines are declined in their place.
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|m=video 4002 RTP/AVP 31 34",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0;video 0 RTP/AVP 31",
    ),
    (
        "c=IN IP4 192.0.2.9|m=image 4002 udptl t38|m=audio 4000 RTP/AVP 8",
        "PCMA 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "image 0 udptl t38;audio 7000 RTP/AVP 8",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|m=audio 4002 RTP/AVP 0",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0;audio 0 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/SAVP 0|m=audio 4002 RTP/AVP 0|m=application 9 UDP/BFCP *",
        "PCMU 20 192.0.2.9:4002 rtcp 4003 sendrecv",
        "audio 0 RTP/SAVP 0;audio 7000 RTP/AVP 0;application 0 UDP/BFCP *",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 0 RTP/AVP 0|m=audio 4002 RTP/AVP 8",
        "PCMA 20 192.0.2.9:4002 rtcp 4003 sendrecv",
        "audio 0 RTP/AVP 0;audio 7000 RTP/AVP 8",
    ),
    ("c=IN IP4 192.0.2.9|m=audio 4000/2 RTP/AVP 0", "no common codec", ""),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000/1 RTP/AVP 0",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/SAVP 0",
        "protection is demanded that is not to be had here",
        "",
    ),
    ("c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVPF 0", "no common codec", ""),
    ("c=IN IP4 192.0.2.9|m=audio 4000 UDP/TLS/RTP/SAVPF 0", "no common codec", ""),
    ("c=IN IP4 192.0.2.9|m=image 4002 udptl t38", "no common codec", ""),
    ("c=IN IP4 192.0.2.9|m=audio 0 RTP/AVP 0", "no common codec", ""),
    ("c=IN IP4 192.0.2.9|t=0 0", "no common codec", ""),
    // RTCP.
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=rtcp:5001",
        "PCMU 20 192.0.2.9:4000 rtcp 5001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=rtcp:5001 IN IP4 192.0.2.10|a=rtcp-mux",
        "PCMU 20 192.0.2.9:4000 rtcp 192.0.2.10:5001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0|a=rtcp:5001 IN IP4 127.0.0.1",
        "PCMU 20 192.0.2.9:4000 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    (
        "c=IN IP4 192.0.2.9|m=audio 65535 RTP/AVP 0",
        "PCMU 20 192.0.2.9:65535 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    // Where media may go (S33).
    ("c=IN IP4 127.0.0.1|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP6 ::ffff:127.0.0.1|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 169.254.1.1|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 224.2.17.12/127|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 255.255.255.255|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 0.0.0.1|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 198.51.100.1|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 192.0.2.9|m=audio 1023 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP4 media.example.com|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=ATM NSAP 47.0091|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    ("c=IN IP6 2001:db8::9|m=audio 4000 RTP/AVP 0", "forbidden media address", ""),
    (
        "c=IN IP4 127.0.0.1|m=audio 4000 RTP/AVP 0|c=IN IP4 192.0.2.9",
        "PCMU 20 192.0.2.9:4000 rtcp 4001 sendrecv",
        "audio 7000 RTP/AVP 0",
    ),
    // Not SDP.
    ("m=audio 4000 RTP/AVP 0", "malformed SDP at byte 45", ""),
    ("c=IN IP4 192.0.2.9|m=audio 99999 RTP/AVP 0", "malformed SDP at byte 65", ""),
    ("c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP", "malformed SDP at byte 65", ""),
    ("c=IN IP4|m=audio 4000 RTP/AVP 0", "malformed SDP at byte 45", ""),
    (
        "c=IN IP4 192.0.2.9|c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 0",
        "malformed SDP at byte 65",
        "",
    ),
    ("nonsense", "malformed SDP at byte 45", ""),
];

#[test]
fn every_offer_of_the_table_is_answered_as_the_table_says() {
    let media = prefixes();
    for (offer, agreed, lines) in OFFERS {
        let answered = sdp::answer(&body(offer), &local(&media));
        let (told, ours) = match &answered {
            Ok(answer) => (tell(&answer.flow), m_lines(answer)),
            Err(error) => (error.to_string(), String::new()),
        };
        assert_eq!(told, *agreed, "{offer}");
        assert_eq!(ours, *lines, "{offer}");
    }
}

#[test]
fn an_answer_says_this_and_no_more() {
    let media = prefixes();
    let offer = "c=IN IP4 192.0.2.9|t=3034423619 3042462419|m=video 4002 RTP/AVP 99|a=rtpmap:99 h263-1998/90000\
                 |m=audio 4000 RTP/AVP 8 100 13|a=rtpmap:100 telephone-event/8000|a=sendonly|a=tool:x";
    let answer = sdp::answer(&body(offer), &local(&media)).unwrap();
    let expected = "v=0\r\no=- 42 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=3034423619 3042462419\r\n\
                    m=video 0 RTP/AVP 99\r\n\
                    m=audio 7000 RTP/AVP 8 100 13\r\na=rtpmap:8 PCMA/8000\r\n\
                    a=rtpmap:100 telephone-event/8000\r\na=rtpmap:13 CN/8000\r\na=fmtp:100 0-15\r\n\
                    a=ptime:20\r\na=recvonly\r\n";
    assert_eq!(std::str::from_utf8(&answer.body).unwrap(), expected);
    assert_eq!(answer.flow.sources, media);
}

#[test]
fn our_offer_says_this_and_no_more() {
    let media = prefixes();
    let expected = "v=0\r\no=- 42 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 7000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
                    a=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n";
    assert_eq!(std::str::from_utf8(&sdp::offer(&local(&media))).unwrap(), expected);
}

#[test]
fn an_answer_to_our_offer_is_taken_at_its_first_codec_and_our_number_for_digits() {
    let media = prefixes();
    let accept = |answer: &str| sdp::accept(&body(answer), &local(&media)).map(|flow| tell(&flow));
    let answer = "c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 8 0 97|a=rtpmap:97 telephone-event/8000|a=ptime:30";
    assert_eq!(accept(answer).unwrap(), "PCMA 30 192.0.2.9:4000 rtcp 4001 sendrecv digits 101");
    assert_eq!(accept("c=IN IP4 192.0.2.9|m=audio 0 RTP/AVP 0"), Err(SdpError::NoCommonCodec));
    assert_eq!(accept("c=IN IP4 192.0.2.9|m=audio 4000 RTP/AVP 3"), Err(SdpError::NoCommonCodec));
    assert_eq!(accept("c=IN IP4 192.0.2.9"), Err(SdpError::NoCommonCodec));
    let elsewhere = accept("c=IN IP4 203.0.113.1|m=audio 4000 RTP/AVP 0");
    assert_eq!(elsewhere, Err(SdpError::ForbiddenAddress));
}

/// Whether SRTP is off, optional or mandatory; what is offered; the tag and suite that are agreed;
/// our m-lines.
const PROTECTED: &[(char, &str, &str, &str)] = &[
    ('-', "m=audio 4000 RTP/AVP 0|CM1", "plain", "audio 7000 RTP/AVP 0"),
    ('-', "m=audio 4000 RTP/SAVP 0|CM1", UNPROTECTABLE, ""),
    ('?', "m=audio 4000 RTP/AVP 0", "plain", "audio 7000 RTP/AVP 0"),
    ('?', "m=audio 4000 RTP/AVP 0|CM1", "1 AES_CM_128_HMAC_SHA1_80", "audio 7000 RTP/AVP 0"),
    ('?', "m=audio 4000 RTP/SAVP 0|CM7", "7 AES_CM_128_HMAC_SHA1_80", "audio 7000 RTP/SAVP 0"),
    ('?', "m=audio 4000 RTP/SAVP 0|GCM2", "2 AEAD_AES_128_GCM", "audio 7000 RTP/SAVP 0"),
    ('?', "m=audio 4000 RTP/SAVP 0|CM1|GCM2", "1 AES_CM_128_HMAC_SHA1_80", "audio 7000 RTP/SAVP 0"),
    ('?', "m=audio 4000 RTP/SAVP 0|GCM1|CM2", "1 AEAD_AES_128_GCM", "audio 7000 RTP/SAVP 0"),
    ('?', "m=audio 4000 RTP/SAVP 0|WEAK1", UNPROTECTABLE, ""),
    (
        '?',
        "m=audio 4000 RTP/SAVP 0|WEAK1|CM2",
        "2 AES_CM_128_HMAC_SHA1_80",
        "audio 7000 RTP/SAVP 0",
    ),
    ('?', "m=audio 4000 RTP/SAVP 0", UNPROTECTABLE, ""),
    // The protected line is taken wherever it stands, so nobody is talked down by order.
    (
        '?',
        "m=audio 4000 RTP/AVP 0|m=audio 4002 RTP/SAVP 0|CM1",
        "1 AES_CM_128_HMAC_SHA1_80",
        "audio 0 RTP/AVP 0;audio 7000 RTP/SAVP 0",
    ),
    (
        '-',
        "m=audio 4002 RTP/SAVP 0|CM1|m=audio 4000 RTP/AVP 0",
        "plain",
        "audio 0 RTP/SAVP 0;audio 7000 RTP/AVP 0",
    ),
    ('!', "m=audio 4000 RTP/AVP 0", UNPROTECTED, ""),
    ('!', "m=audio 4000 RTP/AVP 0|CM1", UNPROTECTED, ""),
    ('!', "m=audio 4000 RTP/SAVP 0|WEAK1", UNPROTECTED, ""),
    ('!', "m=audio 4000 RTP/SAVP 0|GCM1", "1 AEAD_AES_128_GCM", "audio 7000 RTP/SAVP 0"),
    ('!', "m=audio 4000 RTP/SAVP 3|GCM1", "no common codec", ""),
    ('!', "m=audio 4000 UDP/TLS/RTP/SAVP 0|GCM1", "no common codec", ""),
];
const UNPROTECTED: &str = "no common protection: SRTP by SDES over TLS is required here";
const UNPROTECTABLE: &str = "protection is demanded that is not to be had here";

#[test]
fn protection_is_agreed_as_the_table_says() {
    let (media, keys) = (prefixes(), keys(1));
    for (policy, offer, agreed, lines) in PROTECTED {
        let local = Local { srtp: srtp(*policy, &keys), ..local(&media) };
        let answered = sdp::answer(&body(&format!("c=IN IP4 192.0.2.9|{}", keyed(offer))), &local);
        let (told, ours) = match &answered {
            Ok(answer) => (protection(answer), m_lines(answer)),
            Err(error) => (error.to_string(), String::new()),
        };
        assert_eq!(told, *agreed, "{policy} {offer}");
        assert_eq!(ours, *lines, "{policy} {offer}");
    }
}

#[test]
fn two_of_us_agree_on_keys_and_each_opens_what_the_other_seals() {
    let media = prefixes();
    let (our_keys, their_keys) = (keys(1), keys(2));
    for (ours, theirs, protected) in [
        ('!', '!', true),
        ('?', '!', true),
        ('!', '?', false),
        ('?', '?', true),
        ('-', '?', false),
        ('?', '-', false),
    ] {
        let one = Local { srtp: srtp(ours, &our_keys), ..local(&media) };
        let address = "192.0.2.9:9000".parse().unwrap();
        let other = Local { address, srtp: srtp(theirs, &their_keys), ..local(&media) };
        let Ok(agreed) = sdp::answer(&sdp::offer(&other), &one) else {
            assert!(!protected && ours == '!');
            continue;
        };
        let flow = sdp::accept(&agreed.body, &other).unwrap();
        match (agreed.flow.security, flow.security) {
            (Some(one), Some(other)) => {
                assert!(protected);
                assert_eq!((one.inbound, one.outbound), (other.outbound, other.inbound));
            }
            (None, None) => assert!(!protected, "{ours}{theirs}"),
            _ => panic!("only one of {ours}{theirs} is protected"),
        }
    }
}

#[test]
fn an_answer_without_keys_or_with_a_tag_of_nobody_is_not_taken_where_they_are_demanded() {
    let (media, keys) = (prefixes(), keys(1));
    let accept = |policy, answer: &str| {
        let local = Local { srtp: srtp(policy, &keys), ..local(&media) };
        let answer = body(&format!("c=IN IP4 192.0.2.9|{}", keyed(answer)));
        sdp::accept(&answer, &local).map(|flow| flow.security.is_some())
    };
    assert_eq!(accept('!', "m=audio 4000 RTP/AVP 0"), Err(SdpError::Unprotected));
    assert_eq!(accept('!', "m=audio 4000 RTP/SAVP 0"), Err(SdpError::Unprotected));
    assert_eq!(accept('!', "m=audio 4000 RTP/SAVP 0|CM2"), Ok(true));
    assert_eq!(accept('!', "m=audio 4000 RTP/SAVP 0|CM1"), Err(SdpError::Unprotectable));
    assert_eq!(accept('?', "m=audio 4000 RTP/AVP 0|GCM1"), Ok(true));
    assert_eq!(accept('?', "m=audio 4000 RTP/AVP 0"), Ok(false));
}

/// Writes keys where a row names them.
fn keyed(row: &str) -> String {
    let long = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
    let short = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==";
    let word = |word: &str| {
        let (name, tag) = word.split_at(word.len() - 1);
        match name {
            "CM" => format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{long}"),
            "GCM" => format!("a=crypto:{tag} AEAD_AES_128_GCM inline:{short}"),
            "WEAK" => format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_32 inline:{long}"),
            _ => word.to_owned(),
        }
    };
    row.split('|').map(word).collect::<Vec<_>>().join("|")
}

fn keys(seed: u8) -> OwnKeys {
    OwnKeys::new([[seed; Keying::BYTES], [seed + 100; Keying::BYTES]])
}

fn srtp(policy: char, keys: &OwnKeys) -> Srtp<'_> {
    match policy {
        '-' => Srtp::Off,
        '?' => Srtp::Optional(keys),
        _ => Srtp::Mandatory(keys),
    }
}

/// Tells the key of our answer, which must be the one that the leg seals with.
fn protection(answer: &Agreed) -> String {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    let (line, more) = (lines.next(), lines.next());
    assert_eq!((line.is_some(), more), (answer.flow.security.is_some(), None));
    line.map_or("plain".to_owned(), |line| line.split_once(" inline:").unwrap().0.to_owned())
}

#[test]
fn two_of_us_agree() {
    let media = prefixes();
    let ours = local(&media);
    let theirs = Local { address: "192.0.2.9:9000".parse().unwrap(), ..ours.clone() };
    let agreed = sdp::answer(&sdp::offer(&theirs), &ours).unwrap();
    assert_eq!(tell(&agreed.flow), "PCMU 20 192.0.2.9:9000 rtcp 9001 sendrecv digits 101");
    let flow = sdp::accept(&agreed.body, &theirs).unwrap();
    assert_eq!(tell(&flow), "PCMU 20 192.0.2.1:7000 rtcp 7001 sendrecv digits 101");
}

#[test]
fn ipv6_is_spoken_where_we_have_such_an_address() {
    let media: Vec<IpPrefix> = vec!["2001:db8::/32".parse().unwrap(), "fe80::/10".parse().unwrap()];
    let address = "[2001:db8::1]:7000".parse().unwrap();
    let six = Local {
        address,
        session: 1,
        version: 1,
        media: &media,
        events: true,
        loopback: false,
        srtp: Srtp::Off,
    };
    let agreed = sdp::answer(&body("c=IN IP6 2001:db8::9|m=audio 4000 RTP/AVP 0"), &six).unwrap();
    assert_eq!(tell(&agreed.flow), "PCMU 20 [2001:db8::9]:4000 rtcp 4001 sendrecv");
    let text = std::str::from_utf8(&agreed.body).unwrap();
    assert!(text.contains("o=- 1 1 IN IP6 2001:db8::1\r\n"), "{text}");
    assert!(text.contains("c=IN IP6 2001:db8::1\r\n"), "{text}");
    let held = sdp::answer(&body("c=IN IP6 ::|m=audio 4000 RTP/AVP 0"), &six).unwrap();
    assert_eq!(tell(&held.flow), "PCMU 20 [::]:4000 recvonly held");
    for address in ["fe80::9", "ff02::1", "::1", "::ffff:192.0.2.9", "2001:db9::1"] {
        let offer = body(&format!("c=IN IP6 {address}|m=audio 4000 RTP/AVP 0"));
        assert_eq!(sdp::answer(&offer, &six), Err(SdpError::ForbiddenAddress), "{address}");
    }
}

#[test]
fn loopback_is_taken_where_the_switch_and_the_prefixes_allow_it_but_never_our_own_port() {
    let media: Vec<IpPrefix> = vec!["127.0.0.0/8".parse().unwrap()];
    let address = "127.0.0.1:7000".parse().unwrap();
    let local = Local {
        address,
        session: 1,
        version: 1,
        media: &media,
        events: true,
        loopback: true,
        srtp: Srtp::Off,
    };
    let answer = |port: u16| {
        let offer = body(&format!("c=IN IP4 127.0.0.1|m=audio {port} RTP/AVP 0"));
        sdp::answer(&offer, &local).map(|agreed| agreed.flow.remote.port())
    };
    assert_eq!(answer(4000), Ok(4000));
    assert_eq!(answer(7000), Err(SdpError::ForbiddenAddress));
    assert_eq!(answer(7001), Err(SdpError::ForbiddenAddress));
    let switched_off = Local { loopback: false, ..local };
    let offer = body("c=IN IP4 127.0.0.1|m=audio 4000 RTP/AVP 0");
    assert_eq!(sdp::answer(&offer, &switched_off), Err(SdpError::ForbiddenAddress));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_us_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        judge(&bytes);
        judge(&[HEAD.as_bytes(), &bytes].concat());
    }

    #[test]
    fn no_mutation_of_an_offer_makes_us_panic_or_send_where_we_must_not(
        row in 0..OFFERS.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..12),
    ) {
        let mut bytes = body(OFFERS[row].0);
        for (place, change, byte) in changes {
            let at = place.index(bytes.len());
            match change {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at + 1),
                _ => bytes.extend_from_within(at..),
            }
        }
        judge(&bytes);
    }

    #[test]
    fn no_order_of_lines_makes_us_panic(
        lines in proptest::collection::vec("[vosctmarikz]=[ -~]{0,40}", 0..60),
    ) {
        judge(lines.join("\r\n").as_bytes());
        judge(format!("v=0\r\n{}", lines.join("\n")).as_bytes());
    }
}

/// Reads bytes as offer and as answer; what is agreed must be well formed and safe.
fn judge(bytes: &[u8]) {
    let media = prefixes();
    let local = local(&media);
    let safe = |flow: &Flow| {
        let nowhere = flow.remote.ip().is_unspecified();
        let sends = matches!(flow.direction, Direction::SendRecv | Direction::SendOnly);
        assert!(!(nowhere && sends));
        for to in [Some(flow.remote).filter(|_| !nowhere), flow.remote_rtcp].into_iter().flatten() {
            assert!(
                to.port() >= 1024 && media[0].contains(to.ip()) && to.ip() != local.address.ip()
            );
        }
    };
    if let Ok(Agreed { body, flow }) = sdp::answer(bytes, &local) {
        safe(&flow);
        let ours = sdp_types::Session::parse(&body).unwrap();
        assert_eq!(ours.medias.iter().filter(|line| line.port == 7000).count(), 1);
        assert!(ours.medias.iter().all(|line| line.port == 7000 || line.port == 0));
    }
    if let Ok(flow) = sdp::accept(bytes, &local) {
        safe(&flow);
    }
}

fn prefixes() -> Vec<IpPrefix> {
    vec!["192.0.2.0/24".parse().unwrap()]
}

fn local(media: &[IpPrefix]) -> Local<'_> {
    let address = "192.0.2.1:7000".parse().unwrap();
    Local {
        address,
        session: 42,
        version: 3,
        media,
        events: true,
        loopback: false,
        srtp: Srtp::Off,
    }
}

fn body(row: &str) -> Vec<u8> {
    format!("{HEAD}{}\r\n", row.replace('|', "\r\n")).into_bytes()
}

/// Tells a flow in the words of the table.
fn tell(flow: &Flow) -> String {
    let codec = match flow.codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
    };
    let mut told = format!("{codec} {} {}", flow.ptime.as_millis(), flow.remote);
    match flow.remote_rtcp {
        Some(to) if to.ip() == flow.remote.ip() => told += &format!(" rtcp {}", to.port()),
        Some(to) => told += &format!(" rtcp {to}"),
        None => {}
    }
    told += match flow.direction {
        Direction::SendRecv => " sendrecv",
        Direction::SendOnly => " sendonly",
        Direction::RecvOnly => " recvonly",
        Direction::Inactive => " inactive",
    };
    if let Some(payload) = flow.digits_in {
        told += &format!(" digits {payload}");
    }
    told + if flow.comfort_noise { " noise" } else { "" } + if flow.held { " held" } else { "" }
}

fn m_lines(answer: &Agreed) -> String {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("m=")).collect();
    lines.join(";")
}
