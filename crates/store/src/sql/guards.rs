//! Guards as rows, and the acts that changed them.

use model::policy::DestinationRule;
use model::{
    Allowance, Budget, CallId, Country, Did, E164, Guards, NewCountries, Night, Outlay, Screen,
    Standing, Subject, Suspension, Unapproved, UnixTime,
};

use crate::Error;
use crate::guards::{Act, Verb, after};
use crate::sql::Database;
use crate::sql::provisioned::{WRITE_REVISION, read as read_provision};
use crate::sql::row::word_of;
use crate::sql::row::{Fields, Packed, argument, corrupt};
use crate::sql::session::Session;
use crate::sql::words::{NEW_COUNTRIES, STANDINGS};
use crate::sql::writing::{Claim, Writing};

const BUDGETS: &str = "
INSERT INTO budget (kind, subject, concurrent, per_minute, spend_hour, spend_day, country_day,
    max_secs, new_countries, approved, denied, night)
SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT), CAST(value ->> 3 AS BIGINT),
    CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT),
    CAST(value ->> 7 AS BIGINT), value ->> 8, value ->> 9, value ->> 10, value ->> 11
FROM json_each($1) WHERE true
ON CONFLICT (kind, subject) DO UPDATE SET concurrent = excluded.concurrent,
    per_minute = excluded.per_minute, spend_hour = excluded.spend_hour,
    spend_day = excluded.spend_day, country_day = excluded.country_day,
    max_secs = excluded.max_secs, new_countries = excluded.new_countries,
    approved = excluded.approved, denied = excluded.denied, night = excluded.night";

const SCREENS: &str = "
INSERT INTO screen (kind, subject, callers, anonymous_refused, lines_refused)
SELECT value ->> 0, value ->> 1, value ->> 2, CAST(value ->> 3 AS BIGINT), value ->> 4
FROM json_each($1) WHERE true
ON CONFLICT (kind, subject) DO UPDATE SET callers = excluded.callers,
    anonymous_refused = excluded.anonymous_refused, lines_refused = excluded.lines_refused";

const SUSPENSIONS_CLEARED: &str = "
DELETE FROM suspension
WHERE (kind, subject) IN (SELECT value ->> 0, value ->> 1 FROM json_each($1))";

const SUSPENSIONS: &str = "
INSERT INTO suspension (kind, subject, standing, reason, since)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, CAST(value ->> 4 AS BIGINT)
FROM json_each($1)";

const ACTS: &str = "
INSERT INTO act (sequence, at, actor, verb, kind, subject, reason)
SELECT (SELECT coalesce(max(sequence), 0) + 1 FROM act), CAST(value ->> 0 AS BIGINT), value ->> 1,
    value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_each($1)";

impl Database {
    /// Does an act and writes it down; returns the revision.
    pub(crate) async fn act(&self, act: &Act) -> Result<u64, Error> {
        let mut writing = self.begin(Claim::Provisioning).await?;
        let current = read_provision(writing.next_statement()?).await?;
        let guards = after(&current.guards, act);
        let changed = guards != current.guards;
        if changed {
            writing.write(SUSPENSIONS_CLEARED, std::iter::once(named(act.subject))).await?;
            let rows = guards.suspensions.iter().filter(|row| row.subject == act.subject);
            writing.write(SUSPENSIONS, rows.map(pack_suspension)).await?;
            let rows = guards.budgets.iter().filter(|row| row.subject == act.subject);
            writing.write(BUDGETS, rows.map(pack_budget)).await?;
        }
        writing.write(ACTS, std::iter::once(pack_act(act))).await?;
        let revision = current.revision + u64::from(changed);
        let row = Packed::default().count(revision);
        writing.write(WRITE_REVISION, std::iter::once(row)).await?;
        writing.commit().await?;
        Ok(revision)
    }

    /// Reads the newest acts, newest first.
    pub(crate) async fn acts(&self, most: u32) -> Result<Vec<Act>, Error> {
        const ACTS: &str = "
SELECT json_array(at, actor, verb, kind, subject, reason) FROM act ORDER BY sequence DESC LIMIT $1";
        self.reading().await?.read(ACTS, &[i64::from(most).into()], act).await
    }

    /// Reads calls out that are over, in the order in which their records were written.
    pub(crate) async fn outlays(
        &self,
        (written, call): (UnixTime, CallId),
        most: u32,
    ) -> Result<Vec<Outlay>, Error> {
        const OUTLAYS: &str = "
SELECT json_array(call, written, organization, organizer, called, invited, answered,
    connected_micros, charge)
FROM cdr WHERE decision_allowed = 1 AND trunk <> '' AND (written, call) > ($1, $2)
ORDER BY written, call LIMIT $3";
        let after = [written.micros.into(), call.to_string().into(), i64::from(most).into()];
        self.reading().await?.read(OUTLAYS, &after, outlay).await
    }

    /// Reads the newest calls that were refused because nobody has approved the country.
    pub(crate) async fn unapproved(
        &self,
        since: UnixTime,
        most: u32,
    ) -> Result<Vec<Unapproved>, Error> {
        const UNAPPROVED: &str = "
SELECT json_array(organization, called, written) FROM cdr
WHERE label = 'country_unapproved' AND written >= $1 ORDER BY written DESC, call DESC LIMIT $2";
        let newest = [since.micros.into(), i64::from(most).into()];
        self.reading().await?.read(UNAPPROVED, &newest, unapproved).await
    }
}

/// Writes the guards of a change.
pub(super) async fn write(writing: &mut Writing, guards: &Guards) -> Result<(), Error> {
    writing.write(BUDGETS, guards.budgets.iter().map(pack_budget)).await?;
    writing.write(SCREENS, guards.screens.iter().map(pack_screen)).await
}

/// Reads all guards.
pub(super) async fn read(session: &mut Session) -> Result<Guards, Error> {
    const BUDGETS: &str = "
SELECT json_array(kind, subject, concurrent, per_minute, spend_hour, spend_day, country_day,
    max_secs, new_countries, approved, denied, night)
FROM budget";
    const SUSPENSIONS: &str = "
SELECT json_array(kind, subject, standing, reason, since) FROM suspension";
    const SCREENS: &str = "
SELECT json_array(kind, subject, callers, anonymous_refused, lines_refused) FROM screen";
    let mut guards = Guards {
        budgets: session.read(BUDGETS, &[], budget).await?,
        suspensions: session.read(SUSPENSIONS, &[], suspension).await?,
        screens: session.read(SCREENS, &[], screen).await?,
    };
    guards.budgets.sort_by_key(|row| row.subject);
    guards.suspensions.sort_by_key(|row| row.subject);
    guards.screens.sort_by_key(|row| row.subject);
    Ok(guards)
}

fn named(subject: Subject) -> Packed {
    Packed::default().text(subject.kind()).text(format_args!("{:032x}", subject.id()))
}

fn subject(row: &mut Fields) -> Result<Subject, Error> {
    let (kind, id) = (row.text()?, row.text()?);
    let id = u128::from_str_radix(&id, 16).ok();
    let known = id.and_then(|id| Subject::new(&kind, id));
    known.ok_or_else(|| corrupt("a guard is about nothing"))
}

fn pack_budget(row: &Budget) -> Packed {
    let codes =
        |countries: &[Country]| countries.iter().map(Country::code).collect::<Vec<_>>().join(" ");
    named(row.subject)
        .chain(pack_allowance(&row.allowance))
        .text(word_of(NEW_COUNTRIES, &row.new_countries))
        .text(codes(&row.approved))
        .text(codes(&row.denied))
        .text(argument(row.night.iter().map(pack_night)))
}

fn budget(row: &mut Fields) -> Result<Budget, Error> {
    Ok(Budget {
        subject: subject(row)?,
        allowance: allowance(row)?,
        new_countries: row.word::<NewCountries>(NEW_COUNTRIES)?,
        approved: words(&row.text()?)?,
        denied: words(&row.text()?)?,
        night: row.rows()?.first_mut().map(night).transpose()?,
    })
}

fn pack_allowance(allowed: &Allowance) -> Packed {
    Packed::default()
        .int(allowed.concurrent)
        .int(allowed.per_minute)
        .money(allowed.spend_hour)
        .money(allowed.spend_day)
        .money(allowed.country_day)
        .int(allowed.max_secs)
}

fn allowance(row: &mut Fields) -> Result<Allowance, Error> {
    Ok(Allowance {
        concurrent: row.int()?,
        per_minute: row.int()?,
        spend_hour: row.money()?,
        spend_day: row.money()?,
        country_day: row.money()?,
        max_secs: row.int()?,
    })
}

fn pack_night(night: &Night) -> Packed {
    let days: Vec<String> = night.days.iter().map(u8::to_string).collect();
    Packed::default()
        .maybe_int(night.hours.map(|(from, _)| from.into()))
        .maybe_int(night.hours.map(|(_, until)| until.into()))
        .text(days.join(" "))
        .chain(pack_allowance(&night.allowance))
}

fn night(row: &mut Fields) -> Result<Night, Error> {
    let minute = |at: Option<i64>| at.map(u16::try_from).transpose();
    let hours = (minute(row.maybe_int()?), minute(row.maybe_int()?));
    let (Ok(from), Ok(until)) = hours else { return Err(corrupt("a night's hour")) };
    let days = words(&row.text()?)?;
    Ok(Night { hours: from.zip(until), days, allowance: allowance(row)? })
}

fn words<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, Error> {
    let read = text.split_whitespace().map(str::parse).collect::<Result<_, _>>();
    read.map_err(|_| corrupt("a word of a guard is malformed"))
}

fn pack_suspension(row: &Suspension) -> Packed {
    let standing = word_of(STANDINGS, &row.standing);
    named(row.subject).text(standing).text(&row.reason).time(row.since)
}

fn suspension(row: &mut Fields) -> Result<Suspension, Error> {
    Ok(Suspension {
        subject: subject(row)?,
        standing: row.word::<Standing>(STANDINGS)?,
        reason: row.text()?,
        since: UnixTime { micros: row.int()? },
    })
}

fn pack_screen(row: &Screen) -> Packed {
    let rules = row.callers.iter();
    let rules = rules.map(|rule| Packed::default().text(&rule.prefix).int(rule.allow));
    named(row.subject)
        .text(argument(rules))
        .int(row.anonymous_refused)
        .text(row.lines_refused.join(" "))
}

fn screen(row: &mut Fields) -> Result<Screen, Error> {
    Ok(Screen {
        subject: subject(row)?,
        callers: row.rows()?.iter_mut().map(rule).collect::<Result<_, _>>()?,
        anonymous_refused: row.flag()?,
        lines_refused: words(&row.text()?)?,
    })
}

fn rule(row: &mut Fields) -> Result<DestinationRule, Error> {
    Ok(DestinationRule { prefix: row.text()?, allow: row.flag()? })
}

fn pack_act(act: &Act) -> Packed {
    let done = Packed::default().time(act.at).text(&act.actor).text(act.verb.word());
    done.chain(named(act.subject)).text(&act.reason)
}

fn act(row: &mut Fields) -> Result<Act, Error> {
    Ok(Act {
        at: UnixTime { micros: row.int()? },
        actor: row.text()?,
        verb: Verb::read(&row.text()?).ok_or_else(|| corrupt("an act is unknown"))?,
        subject: subject(row)?,
        reason: row.text()?,
    })
}

fn outlay(row: &mut Fields) -> Result<Outlay, Error> {
    let (call, written) = (row.parse()?, row.time()?);
    let (organization, organizer, called) = (row.parse()?, row.parse()?, called(row)?);
    let begun = row.time()?;
    let answered = row.maybe_int()?.map(|micros| UnixTime { micros });
    let ended = answered.unwrap_or(begun).after(row.int()?);
    let charge = row.money()?;
    Ok(Outlay { call, written, organization, organizer, called, begun, ended, charge })
}

fn unapproved(row: &mut Fields) -> Result<Unapproved, Error> {
    Ok(Unapproved { organization: row.parse()?, called: called(row)?, at: row.time()? })
}

fn called(row: &mut Fields) -> Result<E164, Error> {
    match row.parse()? {
        Did::E164(number) => Ok(number),
        Did::Local(_) => Err(corrupt("a call out went to no number")),
    }
}
