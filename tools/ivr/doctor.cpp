// ivr doctor: says why calls go wrong, from a capture of their packets or from a server's configuration.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/time/time.h"
#include "capture.hpp"
#include "commands.hpp"
#include "diagnosis.hpp"

std::string_view name_of(Cause cause) {
  switch (cause) {
    case Cause::wrong_ip: return "wrong-ip-in-sdp";
    case Cause::no_dtmf: return "no-dtmf";
    case Cause::hangup_32s: return "hangup-32s";
    case Cause::broad_match: return "403-broad-match";
    case Cause::one_way_audio: return "one-way-audio";
    case Cause::timer_hangup: return "timer-hangup";
    case Cause::path_or_query: return "404-path-or-query";
    case Cause::rtp_ports: return "rtp-ports";
  }
  return "";
}

std::string_view title_of(Cause cause) {
  switch (cause) {
    case Cause::wrong_ip: return "wrong IP in SDP";
    case Cause::no_dtmf: return "no DTMF";
    case Cause::hangup_32s: return "32 s hang-up";
    case Cause::broad_match: return "403 by broad match";
    case Cause::one_way_audio: return "one-way audio";
    case Cause::timer_hangup: return "timer hang-up";
    case Cause::path_or_query: return "404, path or query";
    case Cause::rtp_ports: return "RTP ports";
  }
  return "";
}

namespace {

constexpr char kFooter[] = R"(
It knows seven troubles: wrong IP in SDP, no DTMF, the hang-up after 32 s, 403 by a broad match, one-way audio, the
hang-up by session timer, and 404 where a service wants path or query.

A capture is a classic libpcap file: 'tcpdump -i any -w call.pcap udp or tcp port 5060 or tcp port 3000'.

Exit status: 0 nothing found, 1 findings, 2 wrong usage or a file that cannot be read.)";

struct Summary {
  std::uint64_t records = 0, damaged = 0, cut = 0;
  std::size_t calls = 0, sip = 0, rtp = 0, http = 0;
  std::string end_error;
};

// What a stranger put into a packet must not steer our terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]),
               before = static_cast<unsigned char>(i > 0 ? text[i - 1] : 0);
    const bool c1 = before == 0xC2 && byte >= 0x80 && byte < 0xA0;  // U+0080 to U+009F
    out += byte < 0x20 || byte == 0x7F || c1 ? '?' : text[i];
  }
  return out;
}

std::string time_text(ivr::Time at) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S UTC", absl::FromUnixMicros(at.time_since_epoch().count()),
                          absl::UTCTimeZone());
}

Summary diagnose_capture(const Capture& capture, Report& report) {
  const Trace trace = read_trace(capture);
  const std::vector<ObservedCall> calls = observe_calls(trace);
  for (const ObservedCall& call : calls) {
    diagnose_addresses(call, report);
    diagnose_media(call, trace, report);
    diagnose_hangup(call, trace, report);
  }
  diagnose_refusals(calls, report);
  diagnose_http(trace, report);
  Summary s{.records = capture.records(), .damaged = capture.damaged(), .cut = capture.cut()};
  s.calls = static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(), [](const ObservedCall& c) { return c.invite != nullptr; }));
  s.sip = trace.sip.size();
  s.rtp = trace.rtp.size();
  s.http = trace.http.size();
  s.end_error = capture.end_error();
  return s;
}

void print_json(const Report& report, const Summary& summary, bool captured) {
  nlohmann::ordered_json out = {{"findings", nlohmann::ordered_json::array()}, {"notes", report.notes}};
  for (const Diagnosis& d : report.findings) {
    nlohmann::ordered_json finding = {{"cause", name_of(d.cause)},
                                      {"title", title_of(d.cause)},
                                      {"certain", d.certain},
                                      {"where", d.where}};
    if (d.at != ivr::Time{}) finding["time"] = time_text(d.at);
    finding.update({{"seen", d.seen}, {"why", d.why}, {"mend", d.mend}, {"clause", d.clause}});
    out["findings"].push_back(std::move(finding));
  }
  if (captured) {
    out["capture"] = {{"records", summary.records}, {"damaged", summary.damaged},
                      {"cut", summary.cut},         {"calls", summary.calls},
                      {"sip", summary.sip},         {"rtp", summary.rtp},
                      {"http", summary.http},       {"end_error", summary.end_error}};
  }
  std::printf("%s\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void print_text(const Report& report, const Summary& summary, bool captured) {
  if (captured) {
    std::printf("%llu records: %zu calls, %zu SIP messages, %zu RTP packets, %zu HTTP requests\n",
                static_cast<unsigned long long>(summary.records), summary.calls, summary.sip, summary.rtp,
                summary.http);
    if (summary.damaged > 0)
      std::printf("%llu records make no sense and were skipped\n",
                  static_cast<unsigned long long>(summary.damaged));
    if (summary.cut > 0)
      std::printf("%llu records were cut when they were captured; take them with 'tcpdump -s 0'\n",
                  static_cast<unsigned long long>(summary.cut));
    if (!summary.end_error.empty()) std::printf("read up to %s\n", summary.end_error.c_str());
  }
  for (const Diagnosis& d : report.findings) {
    std::printf("\n%s%s\n  where   %s\n", std::string(title_of(d.cause)).c_str(),
                d.certain ? "" : " (likely)", printable(d.where).c_str());
    if (d.at != ivr::Time{}) std::printf("  time    %s\n", time_text(d.at).c_str());
    std::printf("  seen    %s\n  why     %s\n  mend    %s\n  clause  %s\n", printable(d.seen).c_str(),
                printable(d.why).c_str(), printable(d.mend).c_str(), printable(d.clause).c_str());
  }
  if (!report.notes.empty()) std::printf("\n");
  for (const std::string& note : report.notes) std::printf("note: %s\n", printable(note).c_str());
  std::printf("%s%zu finding%s\n", report.findings.empty() ? "" : "\n", report.findings.size(),
              report.findings.size() == 1 ? "" : "s");
}

}  // namespace

int doctor_main(int argc, char** argv) {
  std::string file, config;
  bool as_json = false;
  CLI::App app{
      "Says why calls go wrong: what was seen, why that is the cause, how to mend it, and the clause of the "
      "standard.\n"
      "It reads a capture of the packets, a server's configuration with its flows and database, or both.",
      "ivr doctor"};
  app.add_option("capture", file, "a libpcap file with SIP, RTP and HTTP");
  app.add_option("--config", config, "the configuration of ivr serve");
  app.add_flag("--json", as_json, "one JSON object for programs");
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr doctor: %s\n", printable(std::string(why.message())).c_str());
    return 2;
  };
  if (file.empty() && config.empty())
    return fail(absl::InvalidArgumentError("neither a capture nor --config; try ivr doctor --help"));
  Report report;
  Summary summary;
  if (!file.empty()) {
    const auto capture = Capture::read(file);
    if (!capture.ok()) return fail(capture.status());
    summary = diagnose_capture(*capture, report);
  }
  if (!config.empty()) {
    if (auto examined = diagnose_config(config, report); !examined.ok()) return fail(examined);
  }
  (as_json ? print_json : print_text)(report, summary, !file.empty());
  return report.findings.empty() ? 0 : 1;
}
