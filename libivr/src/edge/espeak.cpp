#ifdef IVR_WITH_ESPEAK
#include "edge/espeak.hpp"

#include <espeak-ng/speak_lib.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace ivr {
namespace {

constexpr std::size_t kMaxBytes = 8 * 1024;
constexpr int kMaxSeconds = 600;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

// How many bytes the character at the front of `text` has; 0: it is none (RFC 3629, 4).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned from = 0x80, unsigned to = 0xBF) {
    return byte(i) >= from && byte(i) <= to;
  };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    return follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    return follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3)
               ? 4
               : 0;
  }
  return 0;
}

// Control characters can command the engine, and broken bytes confuse it: both become blanks.
std::string cleaned(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    const bool c1 = length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (length == 0 || first < 0x20 || first == 0x7F || c1) {
      result += ' ';
    } else {
      result.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

// The engine of the process. It stays until the process ends.
class Synthesiser {
 public:
  static Synthesiser& the() {
    static Synthesiser synthesiser;
    return synthesiser;
  }

  absl::Status status() const {
    return sample_rate_ > 0
               ? absl::OkStatus()
               : absl::UnavailableError("espeak-ng does not start; is the package espeak-ng-data there?");
  }

  absl::StatusOr<Pcm> speak(const std::string& text, std::string_view language, std::string_view voice,
                            int words_per_minute) {
    const std::lock_guard lock(mutex_);
    const auto name = voice_name(language, voice);
    if (!name.ok()) return name.status();
    if (espeak_SetVoiceByName(name->c_str()) != EE_OK)
      return absl::NotFoundError("espeak-ng has no voice '" + *name + "'");
    espeak_SetParameter(espeakRATE, words_per_minute, 0);  // choosing a voice sets its own
    Pcm pcm;
    pcm.sample_rate_hz = sample_rate_;
    samples_ = &pcm.samples;
    room_ = static_cast<std::size_t>(sample_rate_) * kMaxSeconds;
    overflowed_ = false;
    const auto result =
        espeak_Synth(text.c_str(), text.size() + 1, 0, POS_CHARACTER, 0, espeakCHARS_UTF8, nullptr, nullptr);
    samples_ = nullptr;
    if (overflowed_)
      return absl::InvalidArgumentError("text of " + std::to_string(text.size()) +
                                        " bytes makes more than ten minutes of speech");
    if (result != EE_OK)
      return absl::InternalError("espeak-ng error " + std::to_string(result) + " with voice '" + *name + "'");
    return pcm;
  }

 private:
  struct Voice {
    int priority = 0;
    std::string file;
  };

  // "gmw/en-US" is "en-us", "!v/f3" is "f3".
  static std::string file_name(const espeak_VOICE& voice) {
    const std::string_view path = voice.identifier ? voice.identifier : "";
    return lowered(path.substr(path.rfind('/') + 1));
  }

  Synthesiser() {
    sample_rate_ = espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, nullptr, espeakINITIALIZE_DONT_EXIT);
    if (sample_rate_ <= 0) return;
    espeak_SetSynthCallback(&Synthesiser::take);
    for (auto** voice = espeak_ListVoices(nullptr); *voice; ++voice) {
      const auto file = file_name(**voice);
      if (file.empty()) continue;
      voices_[file] = {-1, file};  // its own name beats any language of another
      // A list of priority byte and name, the best one with the lowest priority, and an empty one at the end.
      for (const char* entry = (*voice)->languages; entry && *entry;
           entry += std::char_traits<char>::length(entry) + 1) {
        const Voice candidate{static_cast<unsigned char>(*entry++), file};
        const auto [known, added] = voices_.try_emplace(lowered(entry), candidate);
        if (!added && candidate.priority < known->second.priority) known->second = candidate;
      }
    }
    espeak_VOICE variants{};
    variants.languages = "variant";
    for (auto** voice = espeak_ListVoices(&variants); *voice; ++voice) {
      variants_.insert(file_name(**voice));
    }
  }

  // "en-us+f3" from what the caller knows; everything in it is on the engine's lists, so no name reaches
  // other files.
  absl::StatusOr<std::string> voice_name(std::string_view language, std::string_view voice) const {
    std::string_view base = language, variant;
    bool named = false;  // a voice that is named is meant, only a language may lose its region
    const auto plus = voice.find('+');
    if (plus != std::string_view::npos) {
      variant = voice.substr(plus + 1);
      if (plus > 0) {
        base = voice.substr(0, plus);
        named = true;
      }
    } else if (variants_.count(std::string(voice)) > 0) {
      variant = voice;
    } else if (!voice.empty()) {
      base = voice;
      named = true;
    }
    auto name = lowered(base);
    std::replace(name.begin(), name.end(), '_', '-');
    if (name == "en") name = "en-us";
    while (voices_.count(name) == 0) {
      const auto dash = name.rfind('-');
      if (dash == std::string::npos || named) {
        return absl::NotFoundError("espeak-ng has no " + std::string(named ? "voice" : "language") + " '" +
                                   std::string(base.substr(0, 64)) + "'");
      }
      name.resize(dash);
    }
    if (plus != std::string_view::npos && variants_.count(std::string(variant)) == 0) {
      return absl::NotFoundError("espeak-ng has no voice variant '" + std::string(variant.substr(0, 64)) +
                                 "'");
    }
    name = voices_.at(name).file;
    if (!variant.empty()) name.append("+").append(variant);
    return name;
  }

  static int take(short* samples, int count, espeak_EVENT*) {
    auto& self = the();
    if (!samples || count <= 0 || !self.samples_) return 0;
    const auto more = static_cast<std::size_t>(count);
    if (self.samples_->size() + more > self.room_) {
      self.overflowed_ = true;
      return 1;  // stop
    }
    self.samples_->insert(self.samples_->end(), samples, samples + more);
    return 0;
  }

  std::mutex mutex_;
  int sample_rate_ = 0;
  std::map<std::string, Voice> voices_;  // by language and by name
  std::set<std::string> variants_;
  std::vector<std::int16_t>* samples_ = nullptr;  // where the running synthesis goes
  std::size_t room_ = 0;
  bool overflowed_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EspeakSpeech>> EspeakSpeech::create(const EspeakOptions& options) {
  if (options.words_per_minute < 80 || options.words_per_minute > 450) {
    return absl::InvalidArgumentError("espeak-ng: " + std::to_string(options.words_per_minute) +
                                      " words per minute; 80 to 450");
  }
  if (const auto status = Synthesiser::the().status(); !status.ok()) return status;
  return std::unique_ptr<EspeakSpeech>(new EspeakSpeech(options));
}

absl::StatusOr<Pcm> EspeakSpeech::speak(std::string_view text, std::string_view language,
                                        std::string_view voice) {
  if (text.size() > kMaxBytes)
    return absl::InvalidArgumentError("text of " + std::to_string(text.size()) +
                                      " bytes to speak; at most 8192");
  return Synthesiser::the().speak(cleaned(text), language, voice, options_.words_per_minute);
}

}  // namespace ivr
#endif
