use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use slotway_store::ResourceFieldError;

/// Longest schedule and longest name of a time zone, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Recurring times: cron in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads five fields of cron and the IANA name of a time zone.
    ///
    /// # Errors
    /// What is wrong, in the field `cron` or `time_zone`.
    pub fn new(cron: &str, time_zone: &str) -> Result<Self, ResourceFieldError> {
        let text = cron;
        if text.len() > TEXT_BYTES_MAX || text.split_whitespace().count() != 5 {
            let reason = "five fields are needed: minute, hour, day of the month, month, day of the week; for example `30 3 * * *`";
            return Err(ResourceFieldError::new("cron", reason));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| {
            ResourceFieldError::new("cron", format!("{text:?} is not a schedule of cron: {error}"))
        })?;
        let unknown = || {
            let name: String = time_zone.chars().take(TEXT_BYTES_MAX).collect();
            ResourceFieldError::new(
                "time_zone",
                format!("{name:?} is not the IANA name of a time zone, such as `Europe/Berlin` or `UTC`"),
            )
        };
        // A POSIX rule or an offset would not follow later changes of the zone's rules.
        let zone = Some(time_zone).filter(|name| name.len() <= TEXT_BYTES_MAX).ok_or_else(unknown)?;
        let zone = TimeZone::get(zone).map_err(|_| unknown())?;
        let schedule = Self { cron, zone };
        // The fields name no year, so that a schedule which has a time at all has one after any moment.
        if schedule.next_runs(Timestamp::UNIX_EPOCH, 1).is_empty() {
            return Err(ResourceFieldError::new("cron", format!("{text:?} is never due")));
        }
        Ok(schedule)
    }

    /// Returns the next times after `after`: at most `count`, fewer where there are fewer.
    #[must_use]
    pub fn next_runs(&self, after: Timestamp, count: usize) -> Vec<Zoned> {
        let mut runs = Vec::new();
        let mut last = after.to_zoned(self.zone.clone());
        while runs.len() < count {
            match self.cron.find_next_occurrence(&last, false) {
                Ok(next) => {
                    last = next.clone();
                    runs.push(next);
                }
                Err(_) => break,
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(schedule: &str, zone: &str, after: &str) -> Vec<String> {
        let schedule = Schedule::new(schedule, zone).unwrap();
        let runs = schedule.next_runs(after.parse().unwrap(), 5);
        runs.iter().map(|run| run.timestamp().to_string()).collect()
    }

    #[test]
    fn the_next_five_runs_are_of_the_time_zone() {
        assert_eq!(
            runs("30 3 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z"),
            [
                "2026-01-01T02:30:00Z",
                "2026-01-02T02:30:00Z",
                "2026-01-03T02:30:00Z",
                "2026-01-04T02:30:00Z",
                "2026-01-05T02:30:00Z"
            ]
        );
        assert_eq!(runs("0 12 1 7 *", "Europe/Berlin", "2026-01-01T00:00:00Z")[0], "2026-07-01T10:00:00Z");
    }

    #[test]
    fn a_run_is_neither_lost_nor_doubled_when_the_clocks_change() {
        // In 2026 Berlin's clocks go from 2:00 to 3:00 on 29 March, and from 3:00 back to 2:00 on 25 October.
        let spring = runs("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert!(spring[0].starts_with("2026-03-29T01:"), "{spring:?}");
        assert_eq!(spring[1], "2026-03-30T00:30:00Z");
        let autumn = runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
        assert_eq!(autumn[0], "2026-10-25T00:30:00Z");
        assert_eq!(autumn[1], "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_its_field() {
        for (schedule, zone, field) in [
            ("", "UTC", "cron"),
            ("* * * *", "UTC", "cron"),
            ("0 0 0 * * *", "UTC", "cron"),
            ("@daily", "UTC", "cron"),
            ("60 * * * *", "UTC", "cron"),
            ("x * * * *", "UTC", "cron"),
            ("0 0 30 2 *", "UTC", "cron"),
            ("0 0 * * *", "", "time_zone"),
            ("0 0 * * *", "Mars/Olympus", "time_zone"),
            ("0 0 * * *", "+02:00", "time_zone"),
        ] {
            let wrong = Schedule::new(schedule, zone).unwrap_err();
            assert_eq!(wrong.field, field, "{schedule:?} {zone:?}: {wrong}");
        }
        assert_eq!(Schedule::new(&"1,".repeat(200), "UTC").unwrap_err().field, "cron");
        assert_eq!(Schedule::new("0 0 * * *", &"x".repeat(300)).unwrap_err().field, "time_zone");
    }
}
