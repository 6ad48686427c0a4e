//! The API seen from outside: by requests alone, with everything behind it but the encoders and the network.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod description;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod playback;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod webhooks;
