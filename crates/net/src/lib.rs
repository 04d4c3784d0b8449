//! Sockets and nothing else: it moves datagrams and never reads what they carry.
