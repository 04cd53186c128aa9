// ivr dtmf: the digits in a WAV file.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"
#include "ivr/wav.hpp"

int dtmf_main(int argc, char** argv) {
  std::string path;
  bool as_json = false;
  CLI::App app{
      "Finds the DTMF digits in a WAV file (any PCM, A-law or u-law; other rates are brought to 8 kHz): "
      "onset, length,\n"
      "and the level of both tones.",
      "ivr dtmf"};
  app.add_option("file", path, "WAV file")->required();
  app.add_flag("--json", as_json, "one JSON object a digit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [&](const absl::Status& why) {
    std::fprintf(stderr, "ivr dtmf: %s: %s\n", path.c_str(), std::string(why.message()).c_str());
    return 1;
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(absl::NotFoundError("cannot be read"));
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  auto pcm = ivr::parse_wav({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  if (!pcm.ok()) return fail(pcm.status());
  auto samples = ivr::resample(pcm->samples, pcm->sample_rate_hz, ivr::kSampleRateHz);
  if (!samples.ok()) return fail(samples.status());
  auto detector = ivr::DtmfDetector::create();
  if (!detector.ok()) return fail(detector.status());
  ivr::DtmfEvents events;
  detector->process(*samples, events);
  detector->finish(events);
  std::string digits;
  for (const ivr::DtmfEvent& e : events) {
    if (e.kind != ivr::DtmfEvent::Kind::ended) continue;
    digits.push_back(e.digit);
    const double onset_ms = static_cast<double>(e.onset) / 8, length_ms = static_cast<double>(e.length) / 8;
    if (as_json) {
      std::printf("%s\n", nlohmann::ordered_json{{"digit", std::string(1, e.digit)},
                                                 {"onset_ms", onset_ms},
                                                 {"length_ms", length_ms},
                                                 {"low_dbm0", e.low_dbm0},
                                                 {"high_dbm0", e.high_dbm0}}
                              .dump()
                              .c_str());
    } else {
      std::printf("%c  at %9.1f ms  for %6.1f ms   low %5.1f dBm0  high %5.1f dBm0\n", e.digit, onset_ms,
                  length_ms, e.low_dbm0, e.high_dbm0);
    }
  }
  if (!as_json) std::printf("%zu digits: %s\n", digits.size(), digits.c_str());
  return 0;
}
