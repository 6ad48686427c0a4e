//! The packager seen from outside, judged by readers that share no code with it.

#[cfg(test)]
mod boxes;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod low_latency;
#[cfg(test)]
mod observer;
#[cfg(test)]
mod preview;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod real_media;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod support;
