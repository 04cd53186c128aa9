#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <tuple>

#include "diagnosis.hpp"

// Refusals: 403 before anybody was asked who he is, and 404 for the form of a URL.

namespace {

bool is_challenge(int status) { return status == 401 || status == 407; }

// What one address has met at one server, account by account.
struct Met {
  std::set<std::string> forbidden, challenged, accepted;
};

std::string list_of(const std::set<std::string>& names) {
  std::string out;
  int shown = 0;
  for (const std::string& name : names) {
    if (++shown > 3) return out + " and " + std::to_string(names.size() - 3) + " more";
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

struct Query {
  std::string path, query;  // without the '?'
};

Query split(const std::string& target) {
  std::string rest = target;
  if (const auto scheme = rest.find("://"); scheme != std::string::npos) {  // through a proxy
    const auto slash = rest.find('/', scheme + 3);
    rest = slash == std::string::npos ? "/" : rest.substr(slash);
  }
  const auto mark = rest.find('?');
  return {rest.substr(0, mark), mark == std::string::npos ? "" : rest.substr(mark + 1)};
}

// A number, or something with digits in it: what a caller has typed, not the name of a resource.
bool is_id(const std::string& text) {
  const auto digits =
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
  const bool version = text.size() < 4 && (text.starts_with('v') || text.starts_with('V'));
  return digits > 0 && !version &&
         (digits * 2 >= static_cast<std::ptrdiff_t>(text.size()) || text.size() >= 16);
}

// "/balance/1001" and "/balance?account=1001" are both the resource "/balance" and the id.
struct Asked {
  enum class Form { path, query, neither } form = Form::neither;
  std::string resource, id, parameter;
};

Asked asked_for(const std::string& target) {
  const auto [path, query] = split(target);
  std::size_t at = 0;
  while (at < query.size()) {
    const auto end = std::min(query.find('&', at), query.size());
    const std::string part = query.substr(at, end - at);
    const auto equals = part.find('=');
    if (equals != std::string::npos && is_id(part.substr(equals + 1)))
      return {Asked::Form::query,
              path.ends_with('/') && path.size() > 1 ? path.substr(0, path.size() - 1) : path,
              part.substr(equals + 1), part.substr(0, equals)};
    at = end + 1;
  }
  const std::string trimmed = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
  const auto slash = trimmed.rfind('/');
  if (slash != std::string::npos && is_id(trimmed.substr(slash + 1)))
    return {Asked::Form::path, slash == 0 ? "/" : trimmed.substr(0, slash), trimmed.substr(slash + 1), ""};
  return {};
}

}  // namespace

void diagnose_refusals(const std::vector<ObservedCall>& calls, Report& report) {
  std::map<std::pair<std::string, std::string>, Met> met;  // client and server
  for (const ObservedCall& call : calls) {
    for (const SipMessage* m : call.messages) {
      if (m->request() || (m->method != "INVITE" && m->method != "REGISTER")) continue;
      Met& here = met[{m->destination.ip, m->source.ip}];
      if (m->status == 403) here.forbidden.insert(m->from);
      if (is_challenge(m->status)) here.challenged.insert(m->from);
      if (m->success()) here.accepted.insert(m->from);
    }
  }
  for (const ObservedCall& call : calls) {
    bool challenged = false;
    for (const SipMessage* m : call.messages) {
      if (m->method != "INVITE" && m->method != "REGISTER") continue;
      if (m->request()) {
        challenged = challenged || m->has("authorization") || m->has("proxy-authorization");
        continue;
      }
      challenged = challenged || is_challenge(m->status);
      if (m->status != 403) continue;
      if (challenged) {
        report.notes.push_back(
            call.id + ": 403 to " + m->method + " of " + m->from +
            " after credentials were asked for or sent: a matter of that account's password or rights");
        break;
      }
      const Met& here = met[{m->destination.ip, m->source.ip}];
      Diagnosis d{.cause = Cause::broad_match, .where = call.id, .at = m->at};
      d.seen = m->source.ip + " answered " + m->method + " of " + m->from + " from " + m->destination.ip +
               " with 403" + (m->reason.empty() ? "" : " " + m->reason) +
               " at once, without 401 or 407 before";
      if (here.forbidden.size() > 1) d.seen += "; so it did to " + list_of(here.forbidden);
      if (!here.challenged.empty())
        d.seen += "; it does ask " + list_of(here.challenged) + " for credentials";
      if (!here.accepted.empty()) d.seen += "; it lets " + list_of(here.accepted) + " in";
      d.certain = here.forbidden.size() > 1 || !here.challenged.empty();
      d.why =
          "Nobody asked who the caller is, so the account's own rules were never reached: a broader entry "
          "(an address "
          "or network in an identify rule or ACL, a wildcard user, a default peer) matched first and forbids "
          "this";
      d.mend = "on the server that answered: narrow the entry that matches " + m->destination.ip +
               " or every user, put the account before it, or match by user and not by address; and see that "
               "From has "
               "the user and domain of the account";
      d.clause =
          "RFC 3261, 21.4.4 (403: understood and refused, do not try again) against 22.1 and 22.2 (a server "
          "that "
          "wants to know who calls challenges with 401 or 407)";
      report.findings.push_back(std::move(d));
      break;
    }
  }
}

void diagnose_http(const Trace& trace, Report& report) {
  struct Resource {
    const HttpExchange *path_404 = nullptr, *query_404 = nullptr;
    const HttpExchange *path_ok = nullptr, *query_ok = nullptr;
    int path_misses = 0, query_misses = 0;
  };
  std::map<std::tuple<std::string, std::uint16_t, std::string>, Resource> resources;
  for (const HttpExchange& x : trace.http) {
    const Asked asked = asked_for(x.target);
    if (asked.form == Asked::Form::neither) continue;
    const bool path = asked.form == Asked::Form::path;
    Resource& r = resources[{x.server.ip, x.server.port, asked.resource}];
    if (x.status == 404) {
      const HttpExchange*& first = path ? r.path_404 : r.query_404;
      if (!first) first = &x;
      ++(path ? r.path_misses : r.query_misses);
    } else if (x.status >= 200 && x.status < 300) {
      (path ? r.path_ok : r.query_ok) = &x;
    }
  }
  for (const auto& [key, r] : resources) {
    for (const bool path : {true, false}) {
      const HttpExchange* missed = path ? r.path_404 : r.query_404;
      if (!missed) continue;
      // The same form is found for others: this id is simply not there.
      const HttpExchange* same = path ? r.path_ok : r.query_ok;
      const HttpExchange* other = path ? r.query_ok : r.path_ok;
      if (same) continue;
      const Asked asked = asked_for(missed->target);
      const std::string host =
          missed->host.empty() ? missed->server.ip + ":" + std::to_string(missed->server.port) : missed->host;
      Diagnosis d{.cause = Cause::path_or_query, .certain = other != nullptr, .at = missed->at};
      d.where = missed->method + " http://" + host + split(missed->target).path +
                (split(missed->target).query.empty() ? "" : "?" + split(missed->target).query);
      const int misses = path ? r.path_misses : r.query_misses;
      d.seen = "404, " + std::to_string(misses) + (misses == 1 ? " time" : " times") +
               ", with the id in the " + (path ? "path" : "query");
      if (other) d.seen += "; '" + other->target + "' got " + std::to_string(other->status);
      const std::string alternative = path ? asked.resource + "?account=" + asked.id
                                           : (asked.resource == "/" ? "" : asked.resource) + "/" + asked.id;
      d.why = other ? "The service knows that resource in the other form only"
                    : "The service has no such path: either it wants the id in the other form, or it does "
                      "not know " +
                          asked.id;
      d.mend = std::string("let the api node's 'url' ask ") +
               (other ? "'" + other->target + "'" : "'" + alternative + "'") +
               (path && !other ? " (with the parameter's name that the service wants)" : "") +
               ", or give the node an 'on_status' exit for 404 that asks in the other form";
      d.clause = "RFC 9110, 15.5.5 (404) and RFC 3986, 3.3 and 3.4: path and query name different resources";
      report.findings.push_back(std::move(d));
    }
  }
}
