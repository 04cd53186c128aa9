#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/calendar.hpp"
#include "ivr/flow.hpp"
#include "ivr/ports.hpp"
#include "ivr/router.hpp"
#include "ivr/script.hpp"

// A site: everything that makes a desk, in one JSON document (docs/site-format.md). Who answers, in which
// queues, when it is open, which number leads to which flow.

namespace ivr {

// Callers by number. What ends in '*' stands for all that begin so.
struct CallerList {
  std::string name;  // "block": such callers are refused
  std::vector<std::string> callers;
  int priority = 0;  // given to a caller of the list when joining a queue
};

// What a caller's past changes: see CallerGate.
struct CallerRules {
  int rate_calls = 0;     // more calls of one caller within `rate_per` are refused; 0: no limit
  Millis rate_per = 60s;  //
  int ban_after = 0;      // so many refusals for the rate within `ban_for` refuse all for as long; 0: never
  Millis ban_for = 600s;  //
  Millis returning{0};    // who called within it is a returning caller; 0: nobody is
  int returning_priority = 0;
};

// What callers hear over and over while they wait or are on hold. Who comes back to it, from an announcement
// or from the talk, hears it go on; a continuous class plays on meanwhile, as a radio does, and all who hear
// it hear the same.
struct MusicClass {
  Prompts prompts;
  bool continuous = false;
};

struct SiteExtension {
  std::string number;    // "2001", a prefix "2*", or "*" for whatever no other takes
  std::string flow;      // file of the flow, as written: see SiteFlow
  bool standby = false;  // in place of a flow: here agents call whose line stays open
  bool record = false;
  std::vector<std::pair<std::string, std::string>> variables;  // name and JSON text
  bool record_digits = true;                                   // see Route
};

struct SiteDepartment {
  std::string id, name;
  std::string queue;                  // where its callers wait; empty: the flow says
  std::vector<std::string> keywords;  // of any language, see KeywordRouter
  bool otherwise = false;             // where callers go for whom no keyword speaks; at most one
};

// A user of the built-in registrar with the password in clear: for demonstrations and nothing else.
struct SiteDemoUser {
  std::string user, password;
};

// Whose calls a user of the console sees: those from or to one of the numbers. Who is not listed sees none.
struct SiteAccess {
  std::string user;
  std::vector<std::string> numbers;  // "2001", "2*", "*"
};

// A flow document that extensions name by its file.
struct SiteFlow {
  std::string file;  // as the extensions write it, relative to the site's file
  std::string id, digest, document;
};

struct Site {
  std::vector<AgentOptions> agents;  // all in the order of the document
  std::vector<QueueOptions> queues;
  std::vector<std::pair<std::string, CalendarOptions>> calendars;
  std::vector<CallerList> lists;
  std::vector<std::pair<std::string, MusicClass>> music;
  CallerRules callers;
  std::vector<SiteExtension> extensions;
  std::vector<SiteDepartment> departments;
  std::vector<SiteDemoUser> demo_users;
  std::vector<SiteAccess> access;
  std::vector<SiteFlow> flows;  // of the extensions, each once; parse_site() knows their files only
};

// InvalidArgument lists every error, one a line, each beginning with the JSON pointer of what is wrong:
// "/queues/tech/members/1: no agent 'tehc2'; did you mean 'tech2'? [unknown-agent]".
// Limits: 4 MiB, 65,536 of a kind, 1,048,576 members of all queues together.
absl::StatusOr<Site> parse_site(std::string_view json);

// What of a good site looks like a mistake, as warnings: a queue, or a step of it, that requires of its
// agents a skill which none of them has ("unknown-skill"), a level which none of them reaches
// ("unreached-level"), or all of which nobody has at once ("nobody-qualifies"). Its agents are its members,
// those of its department, or all. Pointers lead to the whole of what is required, however it is written.
std::vector<Finding> check_site(const Site& site);

// What a flow of this site may name.
FlowCheckOptions flow_checks(const Site& site);

// Gives `site` the document of one of its flows. InvalidArgument lists the flow's defects.
absl::Status add_flow(Site& site, std::string_view file, std::string_view document);

// May this user of the console see this call?
bool may_see(const Site& site, std::string_view user, const CallRecord& call);

// ------------------------------------------------------------------------------------ kept in a store

// A site in pieces, as a store keeps them: "agent" "tech1" {...}, in the words of the site format. Pieces of
// two equal sites are equal, whatever the layout of the files was.
absl::StatusOr<std::vector<StoredDocument>> site_documents(std::string_view json, const Site& site);

struct SiteChanges {
  std::vector<std::string> added, changed, removed;  // "agent tech1", "flow support_desk"
  int unchanged = 0;
  bool any() const noexcept { return !added.empty() || !changed.empty() || !removed.empty(); }
};

// Puts a site in place of the one that is there, all or nothing. `site` is parse_site(json) with its flows
// added. Storing the same once more changes nothing.
absl::StatusOr<SiteChanges> store_site(std::string_view json, const Site& site, Time now, StorePort& store);

// The site that store_site() put, flows included. NotFound: none was.
absl::StatusOr<Site> load_site_from(StorePort& store);

}  // namespace ivr
