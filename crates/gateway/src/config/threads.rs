//! How many media threads there are, and which processors they may have.

use model::limits;

use super::check::Checker;

/// Most threads unless more are asked for: they carry more legs than an address has ports.
const UNASKED: u32 = 8;

impl Checker<'_> {
    /// Returns how many media threads there are: as many as wanted, else one for each listed
    /// processor, else one for each of `ours` but one, which is left to signalling.
    pub(super) fn threads(&mut self, wanted: Option<u32>, cpus: &[usize], ours: &[usize]) -> u8 {
        for (at, cpu) in cpus.iter().enumerate() {
            let key = format!("media.cpus[{at}]");
            if !ours.is_empty() && !ours.contains(cpu) {
                self.bad(&key, format!("processor {cpu} is not ours; of {ours:?} any is allowed"));
            } else if cpus.iter().take(at).any(|other| other == cpu) {
                self.bad(&key, format!("processor {cpu} is listed before; once each is allowed"));
            }
        }
        let most = u32::from(limits::MEDIA_THREADS);
        let listed = u32::try_from(cpus.len()).unwrap_or(u32::MAX);
        let threads = match (wanted, listed) {
            (Some(wanted), _) => self.within("media.threads", wanted, 1..=most),
            (None, 0) => {
                let ours = u32::try_from(ours.len()).unwrap_or(UNASKED);
                ours.saturating_sub(1).clamp(1, UNASKED)
            }
            (None, listed) => {
                if listed > most {
                    self.bad("media.cpus", format!("up to {most} processors are allowed"));
                }
                listed
            }
        };
        if (1..threads.min(most + 1)).contains(&listed) {
            let problem = format!("media.cpus lists {listed}, so up to {listed} are allowed");
            self.bad("media.threads", problem);
        }
        u8::try_from(threads).unwrap_or(limits::MEDIA_THREADS)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn threads_take_all_processors_but_one_unless_told_otherwise() {
        assert_eq!(threads(None, &[], &[0]), Ok(1));
        assert_eq!(threads(None, &[], &[0, 1]), Ok(1));
        assert_eq!(threads(None, &[], &[0, 1, 2, 3]), Ok(3));
        assert_eq!(threads(None, &[], &(0..64).collect::<Vec<_>>()), Ok(8));
        assert_eq!(threads(None, &[3, 1], &[0, 1, 2, 3]), Ok(2));
        assert_eq!(threads(Some(12), &[], &[0, 1]), Ok(12));
        assert_eq!(threads(Some(1), &[3, 1], &[0, 1, 2, 3]), Ok(1));
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_is_allowed() {
        let ours = [0, 1, 2, 3];
        let told = |wanted, cpus: &[usize]| threads(wanted, cpus, &ours).unwrap_err();
        assert!(told(Some(0), &[]).ends_with("media.threads: 1 to 16 are allowed"));
        assert!(told(Some(17), &[]).ends_with("media.threads: 1 to 16 are allowed"));
        let short = told(Some(3), &[1, 2]);
        assert!(
            short.ends_with("media.threads: media.cpus lists 2, so up to 2 are allowed"),
            "{short}"
        );
        let foreign = told(None, &[1, 9]);
        assert!(
            foreign.contains("media.cpus[1]: processor 9 is not ours; of [0, 1, 2, 3]"),
            "{foreign}"
        );
        let twice = told(None, &[1, 1]);
        assert!(twice.contains("media.cpus[1]: processor 1 is listed before"), "{twice}");
    }

    fn threads(wanted: Option<u32>, cpus: &[usize], ours: &[usize]) -> Result<u8, String> {
        let mut checker = Checker::new(Path::new("t.toml"), "");
        let threads = checker.threads(wanted, cpus, ours);
        checker.finish().map(|()| threads).map_err(|errors| errors.to_string())
    }
}
