#include "core/registrar.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

namespace ivr {
namespace {

std::string dialled(const SipUri& uri, const RegisterRequest::Contact& contact,
                    const RegisterRequest& request) {
  std::string host = request.source.ip;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  if (request.relayed || host.empty() || uri.host == host) return contact.uri;
  // The user as it came, escapes and all; maddr and the port are of the network behind.
  const std::size_t colon = contact.uri.find(':'), at = contact.uri.find('@');
  std::string text = contact.uri.substr(0, colon + 1);
  if (at != std::string::npos) text += contact.uri.substr(colon + 1, at - colon);
  text += host + ":" + std::to_string(request.source.port);
  for (const auto& [name, value] : uri.parameters)
    if (name == "user") text += ";user=" + value;
  return text + (request.transport == "tcp" ? ";transport=tcp" : "");
}

template <class Bindings>
Time first_end(const Bindings& bindings) {
  Time first = Time::max();
  for (const auto& each : bindings) first = std::min(first, each.contact.expires);
  return first;
}

}  // namespace

absl::StatusOr<Registrar> Registrar::create(const RegistrarOptions& options) {
  if (options.min_expires < 1s || options.default_expires < options.min_expires ||
      options.max_expires < options.default_expires)
    return absl::InvalidArgumentError(
        "SIP: min_expires is at least 1 s, default_expires not less, and max_expires not less than that");
  if (options.contacts == 0) return absl::InvalidArgumentError("SIP: a user has at least one contact");
  return Registrar(options);
}

RegisterReply Registrar::refuse(int status, std::string reason) const {
  RegisterReply reply;
  reply.status = status;
  reply.reason = std::move(reason);
  if (status == 423) reply.min_expires = options_.min_expires;
  return reply;
}

void Registrar::restore(const sip::Registered& kept, Time now) {
  Bindings bindings;
  // The last of those who come first is the newest: contacts() turns their order round.
  for (auto each = kept.contacts.rbegin(); each != kept.contacts.rend(); ++each) {
    std::optional<SipUri> uri = parse_sip_uri(each->registered);
    if (!uri || each->expires <= now || bindings.size() == options_.contacts) continue;
    bindings.push_back({*std::move(uri), *each});
    // Not longer than anybody is given now, whatever the clock said then.
    bindings.back().contact.expires = std::min<Time>(each->expires, now + options_.max_expires);
  }
  if (bindings.empty() || users_.contains(kept.user)) return;
  ends_.emplace(first_end(bindings), kept.user);
  users_.emplace(kept.user, std::move(bindings));
}

RegisterReply Registrar::handle(const RegisterRequest& request, Time now) {
  if (request.all && (request.expires_s != 0u || !request.contacts.empty()))
    return refuse(400, "Contact: * goes alone and with Expires: 0");
  const auto refuse_crowd = [&] {
    return refuse(403, "more than " + std::to_string(options_.contacts) + " contacts");
  };
  // Twice the limit: so many can be exchanged for others in one go.
  if (request.contacts.size() > 2 * options_.contacts) return refuse_crowd();
  const auto known = users_.find(request.user);
  Bindings bindings, added;
  if (known != users_.end())
    std::ranges::copy_if(known->second, std::back_inserter(bindings),
                         [&](const Binding& each) { return each.contact.expires > now; });
  // Of one Call-ID the CSeq only grows: what arrives late has been overtaken (10.3, steps 6 and 7).
  const auto overtaken = [&](const Binding& each) {
    return each.contact.call_id == request.call_id && each.contact.cseq >= request.cseq;
  };
  RegisterReply reply;
  if (request.all) {
    if (std::ranges::any_of(bindings, overtaken)) return refuse(500, "CSeq is too low");
    reply.changed = !bindings.empty();
    bindings.clear();
  }
  for (const RegisterRequest::Contact& contact : request.contacts) {
    std::optional<SipUri> uri = parse_sip_uri(contact.uri);
    if (!uri) return refuse(400, "the Contact is not a SIP URI");
    const std::optional<std::uint32_t> wish = contact.expires_s ? contact.expires_s : request.expires_s;
    const Millis expires =
        wish ? std::min<Millis>(std::chrono::seconds(*wish), options_.max_expires) : options_.default_expires;
    if (expires > 0ms && expires < options_.min_expires) return refuse(423, "Interval Too Brief");
    // One's own address again, or a device's new one. Expires: 0 speaks of that address alone.
    const auto superseded = [&](const Binding& each) {
      return same_uri(each.uri, *uri) ||
             (expires > 0ms && !contact.instance.empty() && each.contact.instance == contact.instance);
    };
    if (std::ranges::any_of(bindings,
                            [&](const Binding& each) { return superseded(each) && overtaken(each); }))
      return refuse(500, "CSeq is too low");
    if (std::erase_if(bindings, superseded) > 0) reply.changed = true;
    std::erase_if(added, [&](const Binding& each) { return same_uri(each.uri, *uri); });
    if (expires == 0ms) continue;
    const double q = contact.q >= 0 && contact.q <= 1 ? contact.q : 1;
    sip::Contact live{dialled(*uri, contact, request),
                      request.source,
                      now + expires,
                      q,
                      contact.uri,
                      contact.instance,
                      request.call_id,
                      request.cseq};
    added.push_back({*std::move(uri), std::move(live)});
    reply.changed = true;
  }
  if (added.size() > options_.contacts) return refuse_crowd();
  std::ranges::move(added, std::back_inserter(bindings));
  if (bindings.size() > options_.contacts)  // those heard of longest ago stand first
    bindings.erase(bindings.begin(), bindings.end() - static_cast<std::ptrdiff_t>(options_.contacts));

  for (const Binding& each : bindings)
    reply.bindings.emplace_back(each.contact.registered,
                                std::chrono::ceil<std::chrono::seconds>(each.contact.expires - now));
  if (known != users_.end()) {
    ends_.erase({first_end(known->second), request.user});
    // Those that ended just now are told with this change, or by expire() as if it had never come.
    if (!reply.changed) bindings = known->second;
    if (bindings.empty()) users_.erase(known);
  }
  if (!bindings.empty()) {
    ends_.emplace(first_end(bindings), request.user);
    users_.insert_or_assign(request.user, std::move(bindings));
  }
  return reply;
}

std::vector<sip::Contact> Registrar::contacts(std::string_view user, Time now) const {
  std::vector<sip::Contact> live;
  const auto known = users_.find(std::string(user));
  if (known == users_.end()) return live;
  // The newest first among equals: that is where he sits now.
  for (auto each = known->second.rbegin(); each != known->second.rend(); ++each)
    if (each->contact.expires > now) live.push_back(each->contact);
  std::ranges::stable_sort(live, std::greater<>(), &sip::Contact::q);
  return live;
}

std::optional<Time> Registrar::deadline() const {
  if (ends_.empty()) return std::nullopt;
  return ends_.begin()->first;
}

std::vector<std::string> Registrar::expire(Time now) {
  std::vector<std::string> changed;
  while (!ends_.empty() && ends_.begin()->first <= now) {
    const std::string user = ends_.extract(ends_.begin()).value().second;
    const auto known = users_.find(user);
    std::erase_if(known->second, [&](const Binding& each) { return each.contact.expires <= now; });
    if (known->second.empty())
      users_.erase(known);
    else
      ends_.emplace(first_end(known->second), user);
    changed.push_back(user);
  }
  return changed;
}

// ------------------------------------------------------------------------------------------ documents

StoredDocument document_of(const sip::Registered& registered) {
  using Json = nlohmann::ordered_json;
  Json contacts = Json::array();
  for (const sip::Contact& each : registered.contacts) {
    contacts.push_back({{"uri", each.uri},
                        {"ip", each.source.ip},
                        {"port", each.source.port},
                        {"expires", each.expires.time_since_epoch().count()},
                        {"q", each.q},
                        {"registered", each.registered},
                        {"instance", each.instance},
                        {"call_id", each.call_id},
                        {"cseq", each.cseq}});
  }
  return {kRegistrationKind, registered.user, contacts.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

absl::StatusOr<sip::Registered> registered_of(const StoredDocument& document) {
  const auto json = nlohmann::json::parse(document.json, nullptr, false);
  const auto wrong = [&] {
    return absl::InvalidArgumentError("registration of " + document.id +
                                      ": expected a list of contacts, not " + document.json.substr(0, 200));
  };
  if (!json.is_array()) return wrong();
  sip::Registered registered{document.id, {}};
  for (const auto& each : json) {
    if (!each.is_object()) return wrong();
    const auto number = [&](const char* name, std::uint64_t most) {
      return each.contains(name) && each[name].is_number_integer() && each[name] >= 0 && each[name] <= most;
    };
    for (const char* name : {"uri", "ip", "registered", "instance", "call_id"})
      if (!each.contains(name) || !each[name].is_string()) return wrong();
    if (!number("port", 65'535) || !number("cseq", UINT32_MAX) || !number("expires", INT64_MAX) ||
        !each.contains("q") || !each["q"].is_number())
      return wrong();
    registered.contacts.push_back({each["uri"],
                                   {each["ip"], each["port"]},
                                   Time(Micros(each["expires"].get<std::int64_t>())),
                                   each["q"],
                                   each["registered"],
                                   each["instance"],
                                   each["call_id"],
                                   each["cseq"]});
  }
  return registered;
}

}  // namespace ivr
