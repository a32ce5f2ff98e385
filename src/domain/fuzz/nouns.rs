//! The parsers of the domain.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::sample::select;

use super::{any_text, cases, damaged_text, gives_away, odd, said, secret, shown};
use crate::domain::clocks::plausible;
use crate::domain::ids::{Instance, OrganizationId, ProjectId, RotationId};
use crate::domain::key::{ApiKey, Fingerprint};
use crate::domain::marker::{Marker, Owner};
use crate::domain::path::{PathTemplate, SecretPath};
use crate::domain::policy::Pattern;
use crate::domain::project::Project;
use crate::domain::retiring::Retiring;
use crate::domain::schedule::Schedule;
use crate::domain::secret::{FIELDS, Published};

const MARKER: &str = "exceptionless-rotator/1 instance=default rotation=0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";
const OWNER: &str = "exceptionless-rotator/1 instance=default";
const ROTATION: &str = "0198c5d2-7b1e-7c3a-9f00-5d2f1c0a9b77";
const RETIRING: &str = "0123456789ab@2026-11-21T03:00:23Z,9f86d081884c@2026-11-21T03:00:22Z";
const TIME: &str = "2026-11-21T03:00:07Z";
const TEMPLATES: [&str; 3] = [
    "exceptionless/{project_id}",
    "apps/{organization_name}/{project_name}-{project_id}",
    "a/{organization_id}/x",
];
const SCHEDULES: [&str; 12] = [
    "0 3 * * *",
    "*/20 * * * * *",
    "@daily",
    "@hourly",
    "0 3 13 * FRI",
    "0 0 L * *",
    "0 0 15W * *",
    "0 12 * * MON#2",
    "0 0 29 2 *",
    "5,10-20/3 1-4 1 JAN-MAR *",
    "30 2 * * SUNL",
    "0 3 31 2 *",
];

/// A search through three thousand years takes a part of a second.
const PATIENCE: Duration = Duration::from_secs(10);

fn foreign(documents: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![3 => damaged_text(documents), 1 => any_text()]
}

fn project(name: String, organization_name: String) -> Project {
    Project {
        id: ProjectId::parse("64f0c0ffee00000000000100").unwrap(),
        name,
        organization_id: OrganizationId::parse("64f0c0ffee00000000000010").unwrap(),
        organization_name: organization_name.into(),
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_marker_is_its_own_text_and_names_a_valid_instance(notes in foreign(&[MARKER, OWNER])) {
        if let Some(marker) = Marker::parse(&notes) {
            prop_assert_eq!(marker.to_string(), &*notes);
            prop_assert_eq!(Instance::parse(marker.instance.as_str()), Ok(marker.instance));
        }
        if let Some(owner) = Owner::parse(&notes) {
            prop_assert_eq!(owner.to_string(), notes);
        }
    }

    #[test]
    fn an_id_is_its_own_text_and_changes_no_url(text in foreign(&[ROTATION, "64f0c0ffee00000000000100", "a.b_c"])) {
        let fits_in_a_url = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        for id in [ProjectId::parse(&text).map(|id| id.to_string()), OrganizationId::parse(&text).map(|id| id.to_string())] {
            match id {
                Ok(id) => prop_assert!(id == text && fits_in_a_url && (1..=64).contains(&id.len())),
                Err(error) => prop_assert!(error.to_string().chars().count() < 2_000),
            }
        }
        if let Ok(instance) = Instance::parse(&text) {
            prop_assert!(instance.as_str() == text && !text.contains(char::is_whitespace));
        }
        if let Ok(id) = RotationId::parse(&text) {
            prop_assert_eq!(RotationId::parse(&id.to_string()), Ok(id));
        }
    }

    #[test]
    fn a_key_is_its_own_text_and_shown_by_its_fingerprint_only(text in prop_oneof![secret(), any_text()], cut in any::<prop::sample::Index>()) {
        let text = if text.is_ascii() { &text[cut.index(text.len() + 1)..] } else { &text };
        match ApiKey::parse(text) {
            Ok(key) => {
                prop_assert_eq!(key.expose(), text);
                prop_assert!(!gives_away(&shown(&key), text) || text.len() < 10);
                prop_assert_eq!(Fingerprint::parse(&key.fingerprint().to_string()), Some(key.fingerprint()));
            }
            Err(error) => prop_assert!(text.len() < 10 || !gives_away(&said(&error), &text.replace(|c: char| !c.is_ascii(), ""))),
        }
    }

    #[test]
    fn a_fingerprint_is_its_own_text(text in foreign(&["9f86d081884c"])) {
        if let Some(fingerprint) = Fingerprint::parse(&text) {
            prop_assert_eq!(fingerprint.to_string(), text);
        }
    }

    #[test]
    fn a_list_of_retiring_keys_never_reads_back_with_an_earlier_time(text in foreign(&[RETIRING])) {
        let list = Retiring::parse(&text);
        for (key, since) in list.iter() {
            prop_assert_eq!(plausible(since), Some(since));
            let said = text.split(',').filter_map(|entry| entry.trim().split_once('@'));
            for (_, said) in said.filter(|(fingerprint, _)| *fingerprint == key.to_string()) {
                let said = DateTime::parse_from_rfc3339(said).ok().and_then(|time| plausible(time.to_utc()));
                prop_assert!(said.is_none_or(|said| said <= since), "an earlier time than {said:?}");
            }
        }
        prop_assert_eq!(Retiring::parse(&list.to_string()), list);
    }

    #[test]
    fn a_published_secret_holds_only_what_arithmetic_can_take(
        texts in prop::collection::vec(foreign(&[MARKER, OWNER, RETIRING, ROTATION, TIME, "86400", "64f0c0ffee00000000000100"]), FIELDS.len()),
        key in secret(),
    ) {
        let field = |name: &str| {
            let position = FIELDS.iter().position(|field| *field == name)?;
            Some(if name == "api_key" { key.as_str() } else { texts[position].as_str() })
        };
        let published = Published::read(7, None, true, field);
        prop_assert!(published.api_key.is_some());
        for time in [published.rotated_at, published.next_rotation_at].into_iter().flatten() {
            prop_assert_eq!(plausible(time), Some(time));
        }
        let overlap = published.overlap.unwrap_or_default();
        prop_assert!(overlap <= Duration::from_secs(3_660 * 86_400));
        prop_assert!(!gives_away(&shown(&published), &key));
    }

    #[test]
    fn a_path_stays_below_its_mount(text in foreign(&["exceptionless/64f0c0ffee00000000000100", "a/../b", "a/./b"])) {
        if let Ok(path) = SecretPath::parse(&text) {
            prop_assert_eq!(path.as_str(), &text);
            prop_assert!(text.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
            prop_assert!(!text.contains(char::is_control));
        }
    }

    #[test]
    fn no_name_of_a_project_leads_out_of_the_folder_of_its_template(
        template in foreign(&TEMPLATES),
        name in any_text(),
        organization in any_text(),
    ) {
        let Ok(template) = PathTemplate::parse_any(&template) else { return Ok(()) };
        prop_assert_eq!(PathTemplate::parse_any(&template.to_string()), Ok(template.clone()));
        let slashes = template.to_string().matches('/').count();
        if let Ok(path) = template.path_for(&project(name, organization)) {
            prop_assert_eq!(path.as_str().matches('/').count(), slashes);
            prop_assert_eq!(SecretPath::parse(path.as_str()), Ok(path.clone()));
            let folder = template.folder();
            prop_assert!(folder.is_empty() || path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
        }
    }

    #[test]
    fn a_slug_is_the_slug_of_itself(name in any_text()) {
        let template = PathTemplate::parse("{project_name}").unwrap();
        if let Ok(slug) = template.path_for(&project(name, String::new())) {
            let again = template.path_for(&project(slug.to_string(), String::new()));
            prop_assert_eq!(again, Ok(slug));
        }
    }
}

proptest! {
    #![proptest_config(cases(2))]

    #[test]
    fn a_glob_answers_soon_whatever_a_project_is_called(
        glob in foreign(&["*", "Acme/check*", "[a-z]?*", "*a*a*a*a*a*a*b"]),
        name in any_text(),
    ) {
        if let Ok(pattern) = Pattern::parse(&glob) {
            prop_assert_eq!(Pattern::parse(pattern.as_str()), Ok(pattern.clone()));
            pattern.matches(&project(name, "a".repeat(200)));
        }
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn a_schedule_reads_back_and_its_next_time_lies_ahead(
        text in prop_oneof![3 => damaged_text(&SCHEDULES), 1 => prop::collection::vec(field(), 5..7).prop_map(|fields| fields.join(" "))],
        zone in select(&chrono_tz::TZ_VARIANTS[..]),
        seconds in 946_684_800i64..4_102_444_800,
    ) {
        let now = DateTime::from_timestamp(seconds, 0).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a search that does not end is what is looked for")]
        let begun = std::time::Instant::now();
        if let Ok(schedule) = Schedule::parse(&text, zone, now) {
            goes_forward(&schedule, now)?;
        }
        prop_assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }

    #[test]
    fn the_name_of_a_zone_is_its_own_text(text in prop_oneof![select(&chrono_tz::TZ_VARIANTS[..]).prop_map(|zone| zone.name().to_owned()), foreign(&["Europe/Berlin", "UTC"])]) {
        if let Ok(zone) = text.parse::<Tz>() {
            prop_assert_eq!(zone.name(), text);
        }
    }
}

fn field() -> impl Strategy<Value = String> {
    let number = || 0u8..62;
    prop_oneof![
        4 => Just("*".to_owned()),
        2 => number().prop_map(|number| number.to_string()),
        1 => (number(), number()).prop_map(|(from, to)| format!("{from}-{to}")),
        1 => number().prop_map(|step| format!("*/{step}")),
        1 => (number(), number()).prop_map(|(day, nth)| format!("{day}#{}", nth % 7)),
        1 => number().prop_map(|day| format!("{day}L")),
        1 => number().prop_map(|day| format!("{day}W")),
        1 => odd(),
    ]
}

fn goes_forward(schedule: &Schedule, now: DateTime<Utc>) -> Result<(), TestCaseError> {
    let next = schedule.next(now);
    prop_assert!(next.is_some_and(|next| next > now));
    if let Some(next) = next {
        prop_assert!(schedule.previous(next) == Some(next), "both directions see {next}");
        let before = schedule.previous(next - TimeDelta::seconds(1));
        prop_assert!(before.is_none_or(|before| before <= now));
    }
    Ok(())
}
