#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "config.hpp"
#include "diagnosis.hpp"
#include "ip_range.hpp"
#include "ivr/store.hpp"

// What a server's configuration, its flows and its database tell about trouble to come.

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string seconds_text(ivr::Millis d) { return std::to_string(d.count() / 1000) + " s"; }

class ConfigDoctor {
 public:
  ConfigDoctor(const ServeConfig& config, std::string path, Report& report)
      : config_(config), path_(std::move(path)), report_(report) {}

  void examine() {
    addresses();
    ports();
    keys();
    timers();
    media();
  }

  // A call that a broad entry of the extensions refuses with 403 before a closer one has a say.
  void refusing_flow(const ServeConfig::Extension& extension, const json& flow) {
    if (!extension.number.ends_with('*')) return;
    const json* start = start_of(flow);
    if (start == nullptr || start->value("type", "") != "hangup" || start->value("status", json()) != 403)
      return;
    add(Cause::broad_match, true, "/extensions/" + extension.number,
        "the pattern '" + extension.number + "' leads to " + extension.flow +
            ", which refuses with 403 at its start",
        "Every number without a closer entry of its own ends there, mistyped and forgotten ones too",
        "give the numbers that are to be answered entries of their own (the longest match wins), or narrow "
        "the pattern",
        "RFC 3261, 21.4.4 (403); a number that does not exist is 404, 21.4.5");
  }

  void base_urls(const ServeConfig::Extension& extension, const json& flow) {
    for (const auto& [name, node] : object(flow, "nodes").items()) {
      if (!node.is_object() || node.value("type", json()) != "api" || !node.contains("url") ||
          !node["url"].is_string())
        continue;
      const std::string url = node["url"].get<std::string>();
      const auto close = url.find("}}");
      if (!url.starts_with("{{") || close == std::string::npos || close + 2 >= url.size() ||
          url[close + 2] != '/')
        continue;
      const std::string variable = url.substr(2, close - 2);
      std::string value;
      if (const json& variables = object(flow, "variables");
          variables.contains(variable) && variables[variable].is_string())
        value = variables[variable].get<std::string>();
      for (const auto& [given, text] : extension.variables) {
        const json parsed = json::parse(text, nullptr, false);
        if (given == variable && parsed.is_string()) value = parsed.get<std::string>();
      }
      if (!value.ends_with('/')) continue;
      add(Cause::path_or_query, false,
          "/extensions/" + extension.number + " (" + extension.flow + ", node " + name + ")",
          "'" + variable + "' is '" + value + "' and the url goes on with '/': " + value +
              url.substr(close + 2),
          "Two slashes are another path than one, and many services answer 404 to it",
          "take the last '/' from the variable",
          "RFC 3986, 3.3: an empty segment is a segment; RFC 9110, 15.5.5 (404)");
    }
  }

  // Nodes of the flows that have been run and were answered 404 each time.
  void missed_requests() {
    const std::string& database = config_.engine.database;
    if (database.empty() || !std::filesystem::exists(database)) return;
    auto store = ivr::open_store(database, ivr::StoreAccess::read);
    if (!store.ok()) return;
    auto calls = (*store)->calls(1000, 0);
    if (!calls.ok()) return;
    struct Seen {
      int missed = 0, other = 0;
      ivr::Time last{};
    };
    std::map<std::pair<std::string, std::string>, Seen> nodes;  // flow and node
    for (const ivr::CallRecord& call : *calls) {
      auto visits = (*store)->visits(call.id);
      if (!visits.ok()) continue;
      for (const ivr::NodeVisit& v : *visits) {
        if (v.type != "api") continue;
        Seen& seen = nodes[{call.flow, v.node}];
        const bool missed = v.input == "404";  // what came in at an api node: the status
        ++(missed ? seen.missed : seen.other);
        if (missed) seen.last = std::max(seen.last, v.entered);
      }
    }
    for (const auto& [key, seen] : nodes) {
      if (seen.missed == 0 || seen.other > 0) continue;
      add(Cause::path_or_query, false, database + " (flow " + key.first + ", node " + key.second + ")",
          "each of its " + std::to_string(seen.missed) + " requests got 404",
          "The service wants the id in the other form: in the path (/balance/1001) or in the query "
          "(/balance?account=1001)",
          "let the node's 'url' ask in the other form, or give it an 'on_status' exit for 404 that does",
          "RFC 9110, 15.5.5 (404) and RFC 3986, 3.3 and 3.4: path and query name different resources");
      report_.findings.back().at = seen.last;
    }
  }

 private:
  static const json& object(const json& in, const char* key) {
    static const json kEmpty = json::object();
    return in.is_object() && in.contains(key) && in[key].is_object() ? in[key] : kEmpty;
  }

  static const json* start_of(const json& flow) {
    const json& nodes = object(flow, "nodes");
    if (!flow.is_object() || !flow.contains("start") || !flow["start"].is_string()) return nullptr;
    const auto found = nodes.find(flow["start"].get<std::string>());
    return found == nodes.end() || !found->is_object() ? nullptr : &*found;
  }

  void add(Cause cause, bool certain, const std::string& where, std::string seen, std::string why,
           std::string mend, std::string clause) {
    Diagnosis d{.cause = cause, .certain = certain};
    d.where = where.starts_with('/') ? path_ + " " + where : where;
    d.seen = std::move(seen);
    d.why = std::move(why);
    d.mend = std::move(mend);
    d.clause = std::move(clause);
    report_.findings.push_back(std::move(d));
  }

  void addresses() {
    const auto& sip = config_.engine.sip;
    const auto& rtp = config_.engine.media;
    const char* sdp = "RFC 3264, 5.1 and RFC 8866, 5.7: c= is where the media is to be sent";
    const char* contact =
        "RFC 3261, 12.1.1 and 13.3.1.4: the ACK goes to the Contact; without it BYE after 64*T1, 32 s";
    for (const bool media : {true, false}) {
      const std::string& bound = media ? rtp.bind_ip : sip.listen;
      const std::string& told = media ? rtp.external_ip : sip.external_ip;
      const std::string key = media ? "/rtp/external_ip" : "/sip/external_ip";
      const Cause cause = media ? Cause::wrong_ip : Cause::hangup_32s;
      const char* trouble = media
                                ? "Peers beyond send their audio to an address that does not lead here"
                                : "Peers beyond send their ACK and BYE to an address that does not lead here";
      const IpRange range = ip_range(bound), outside = ip_range(told);
      if (told.starts_with("stun:")) {
        report_.notes.push_back(path_ + " " + key + ": what " + told.substr(5) +
                                " says when the server starts");
      } else if (!told.empty() && outside != IpRange::global && !is_inside(outside)) {
        add(cause, true, key, "'" + told + "' is " + name_of(outside) + " address", trouble,
            "write the public IP address of this server", media ? sdp : contact);
      } else if (told.empty() && (is_inside(range) || range == IpRange::unspecified)) {
        add(cause, false, key,
            "missing, and the server is bound to " + bound + ", " + name_of(range) + " address", trouble,
            std::string(
                "set it to the address that peers outside reach; where all of them are in this network") +
                (range == IpRange::unspecified ? ", bind to its address here" : ", this is in order"),
            media ? sdp : contact);
      }
      if (range == IpRange::loopback && !told.empty())
        report_.notes.push_back(path_ + " " + key + ": set, but the server is bound to " + bound +
                                ", which only programs of this machine reach");
    }
  }

  void ports() {
    const auto& rtp = config_.engine.media;
    const int first = rtp.port_min + rtp.port_min % 2;
    const int pairs = std::max(0, (rtp.port_max - first + 1) / 2), calls = config_.engine.limits.calls;
    const std::string range = std::to_string(rtp.port_min) + "-" + std::to_string(rtp.port_max);
    if (rtp.port_min % 2 != 0)
      add(Cause::rtp_ports, true, "/rtp/ports", range + " begins with an odd port, which is not used",
          "RTP takes even ports and RTCP the next; a firewall opened by this range may miss one of a pair",
          "begin with an even port", "RFC 3550, 11");
    if (pairs < calls && !rtp.shared_ports)
      add(Cause::rtp_ports, true, "/rtp/ports",
          range + " has " + std::to_string(pairs) + " pairs, and /limits/calls is " + std::to_string(calls),
          "A call takes a pair, a bridged one two: the next caller is refused with 503",
          "widen the range to " + std::to_string(2 * calls) + " ports, or lower 'limits.calls'",
          "RFC 3550, 11");
  }

  void keys() {
    const auto& o = config_.engine;
    if (!o.telephone_event || (!o.stream.inband_dtmf && !o.stream.inband_always))
      add(Cause::no_dtmf, false, "/rtp/inband_dtmf", o.telephone_event ? "false" : "telephone-event is off",
          "From a peer without telephone-event (RFC 4733) keys come as tones, and nobody listens for them",
          "leave it true: it costs nothing where telephone-event was agreed", "RFC 4733, 2.4.1");
  }

  void timers() {
    const auto& sip = config_.engine.sip;
    if (sip.session_expires > 0ms && sip.session_expires < 90s)
      add(Cause::timer_hangup, true, "/sip/session_expires_s", seconds_text(sip.session_expires),
          "Too short for peers: they refuse it with 422, or a refresh that comes a little late ends the call",
          "1800, at least 90, or 0 for no timers", "RFC 4028, 4 and 5: 1800 is recommended, 90 the least");
    if (sip.min_se > 0ms && sip.min_se < 90s)
      add(Cause::timer_hangup, true, "/sip/min_se_s", seconds_text(sip.min_se),
          "Below what the standard allows", "90 or more", "RFC 4028, 5: Min-SE is not less than 90 s");
    if (sip.session_expires > 0ms && sip.session_expires < sip.min_se)
      add(Cause::timer_hangup, true, "/sip/session_expires_s",
          seconds_text(sip.session_expires) + " is less than /sip/min_se_s, " + seconds_text(sip.min_se),
          "The server would refuse its own interval", "make it " + seconds_text(sip.min_se) + " or more",
          "RFC 4028, 5 and 6");
    const auto silence = config_.engine.stream.rtp_timeout;
    if (silence > 0ms && silence < 10s)
      add(Cause::timer_hangup, false, "/rtp/timeout_s", seconds_text(silence),
          "A phone that sends nothing while nobody speaks, or while it is muted, is taken for gone",
          "30 or more, or 0", "RFC 3389: comfort noise may be sent as rarely as the sender likes");
  }

  void media() {
    const auto& o = config_.engine;
    if (!o.stream.symmetric && (!o.media.external_ip.empty() || is_inside(ip_range(o.media.bind_ip))))
      add(Cause::one_way_audio, false, "/rtp/symmetric", "false",
          "Audio for a phone behind NAT goes to the address in its SDP, where nothing arrives",
          "leave it true unless every peer has an address of its own", "RFC 4961; RFC 3264, 5.1");
  }

  const ServeConfig& config_;
  const std::string path_;
  Report& report_;
};

}  // namespace

absl::Status diagnose_config(const std::string& path, Report& report) {
  ServeConfig config;
  if (auto read = read_config(path, config); !read.ok()) return read;
  ConfigDoctor doctor(config, path, report);
  doctor.examine();
  for (const auto& extension : config.extensions) {
    std::ifstream file(extension.flow, std::ios::binary);
    const json flow = json::parse(std::string(std::istreambuf_iterator<char>(file), {}), nullptr, false);
    if (!file || flow.is_discarded() || !flow.is_object())
      return absl::NotFoundError(extension.flow + ": cannot be read as a flow; see ivr check");
    doctor.refusing_flow(extension, flow);
    doctor.base_urls(extension, flow);
  }
  doctor.missed_requests();
  return absl::OkStatus();
}
