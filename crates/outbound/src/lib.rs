//! Requests to addresses that somebody else chose: guarded, bounded, never to the inside of the network.
