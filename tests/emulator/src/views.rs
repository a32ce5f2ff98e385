//! The documents clients see (contract 2.2, 2.3 and 3.1): snake_case, nulls left out, empty arrays kept.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::date::{self, Stamp};
use crate::state::{Organization, Project, Token, User};

/// A key, its secret as `id`.
pub(crate) struct TokenView(pub(crate) Arc<Token>);

/// A page of keys.
pub(crate) struct TokenList(pub(crate) Vec<Arc<Token>>);

impl Serialize for TokenView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TokenDocument::of(&self.0).serialize(serializer)
    }
}

impl Serialize for TokenList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|token| TokenDocument::of(token)))
    }
}

#[derive(Serialize)]
struct TokenDocument<'t> {
    id: &'t str,
    organization_id: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_project_id: Option<&'t str>,
    scopes: &'t [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_utc: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'t str>,
    is_disabled: bool,
    is_suspended: bool,
    created_utc: Stamp,
    updated_utc: Stamp,
}

impl<'t> TokenDocument<'t> {
    /// Type and creator are not shown, so the destructuring here is complete on purpose: a new field must decide.
    fn of(token: &'t Token) -> Self {
        let Token {
            id,
            organization_id,
            project_id,
            default_project_id,
            user_id,
            scopes,
            notes,
            expires,
            disabled,
            suspended,
            created,
            updated,
            zoneless_dates,
        } = token;
        let stamp = |at: DateTime<Utc>| Stamp { at, zoneless: *zoneless_dates };
        Self {
            id,
            organization_id,
            project_id: project_id.as_deref(),
            user_id: user_id.as_deref(),
            default_project_id: default_project_id.as_deref(),
            scopes,
            expires_utc: expires.map(stamp),
            notes: notes.as_deref(),
            is_disabled: *disabled,
            is_suspended: *suspended,
            created_utc: stamp(*created),
            updated_utc: stamp(*updated),
        }
    }
}

/// The caller himself.
pub(crate) struct UserView(pub(crate) User);

impl Serialize for UserView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let user = &self.0;
        let roles: &[&str] =
            if user.global_admin { &["client", "user", "global"] } else { &["client", "user"] };
        json!({
            "has_local_account": true,
            "o_auth_accounts": [],
            "id": user.id,
            "organization_ids": user.organization_ids,
            "full_name": user.full_name,
            "email_address": user.email,
            "email_notifications_enabled": true,
            "is_email_address_verified": true,
            "is_active": user.active,
            "is_invite": false,
            "roles": roles,
        })
        .serialize(serializer)
    }
}

/// An organization with what is computed about it.
pub(crate) struct OrganizationView {
    pub(crate) organization: Organization,
    pub(crate) project_count: usize,
    pub(crate) over_request_limit: bool,
}

impl Serialize for OrganizationView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Organization { id, name, created, suspended, over_monthly_limit } = &self.organization;
        let created = date::write(*created, false);
        let mut view = json!({
            "id": id,
            "created_utc": created,
            "updated_utc": created,
            "name": name,
            "plan_id": "EX_SMALL",
            "plan_name": "Small",
            "plan_description": "Small ($15/month)",
            "billing_status": 1,
            "billing_price": 15,
            "max_events_per_month": 15000,
            "bonus_events_per_month": 0,
            "retention_days": 30,
            "is_suspended": suspended,
            "has_premium_features": true,
            "features": ["feature:premium"],
            "max_users": 10,
            "max_projects": 15,
            "project_count": self.project_count,
            "stack_count": 0,
            "event_count": 0,
            "invites": [],
            "usage_hours": [],
            "usage": [],
            "is_throttled": false,
            "is_over_monthly_limit": over_monthly_limit,
            "is_over_request_limit": self.over_request_limit,
        });
        if *suspended && let Some(members) = view.as_object_mut() {
            members.extend(suspension(&created));
        }
        view.serialize(serializer)
    }
}

fn suspension(since: &str) -> Map<String, Value> {
    Map::from_iter([
        ("suspension_code".to_owned(), json!("Billing")),
        ("suspension_date".to_owned(), json!(since)),
    ])
}

/// A project as listings and its own page show it. There is no key in it.
pub(crate) struct ProjectView {
    pub(crate) project: Arc<Project>,
    pub(crate) name: String,
    pub(crate) organization_name: String,
    pub(crate) now: DateTime<Utc>,
    pub(crate) big: bool,
}

#[derive(Serialize)]
struct Hour {
    date: Stamp,
    total: u32,
    blocked: u32,
    discarded: u32,
    too_big: u32,
    deleted: u32,
}

#[derive(Serialize)]
struct Month {
    date: Stamp,
    limit: u32,
    total: u32,
    blocked: u32,
    discarded: u32,
    too_big: u32,
    deleted: u32,
}

#[derive(Serialize)]
struct ProjectDocument<'p> {
    id: &'p str,
    created_utc: Stamp,
    organization_id: &'p str,
    organization_name: &'p str,
    name: &'p str,
    delete_bot_data_enabled: bool,
    data: Map<String, Value>,
    promoted_tabs: [(); 0],
    is_configured: bool,
    stack_count: u32,
    event_count: u32,
    has_premium_features: bool,
    has_slack_integration: bool,
    usage_hours: Vec<Hour>,
    usage: Vec<Month>,
}

impl Serialize for ProjectView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (hours, months) = if self.big { (7 * 24, 13) } else { (1, 1) };
        ProjectDocument {
            id: &self.project.id,
            created_utc: stamp(self.project.created),
            organization_id: &self.project.organization_id,
            organization_name: &self.organization_name,
            name: &self.name,
            delete_bot_data_enabled: false,
            data: Map::new(),
            promoted_tabs: [],
            is_configured: true,
            stack_count: 0,
            event_count: 0,
            has_premium_features: true,
            has_slack_integration: false,
            usage_hours: (0..hours).map(|back| self.hour(back)).collect(),
            usage: (0..months).map(|back| self.month(back)).collect(),
        }
        .serialize(serializer)
    }
}

impl ProjectView {
    fn hour(&self, back: i64) -> Hour {
        let into_hour = self.now.timestamp().rem_euclid(3600);
        let at = self.now - TimeDelta::seconds(into_hour) - TimeDelta::hours(back);
        Hour { date: whole_second(at), total: 5, blocked: 0, discarded: 0, too_big: 0, deleted: 0 }
    }

    fn month(&self, back: u32) -> Month {
        let first = self.now.date_naive().with_day(1).unwrap_or_default() - chrono::Months::new(back);
        Month {
            date: stamp(first.and_time(NaiveTime::default()).and_utc()),
            limit: 15000,
            total: 900,
            blocked: 0,
            discarded: 0,
            too_big: 0,
            deleted: 0,
        }
    }
}

fn stamp(at: DateTime<Utc>) -> Stamp {
    Stamp { at, zoneless: false }
}

fn whole_second(at: DateTime<Utc>) -> Stamp {
    stamp(DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at))
}
