#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace ivr {

// Words or short phrases that speak for a department, in any language.
struct KeywordDepartment {
  std::string name;
  std::vector<std::string> keywords;
};

struct KeywordRoute {
  struct Candidate {
    std::string department;
    double confidence = 0;
    friend bool operator==(const Candidate&, const Candidate&) = default;
  };
  std::string department;
  double confidence = 0.5;              // 0.6 + 0.15 a keyword, at most 0.95; 0.5 of the default without any
  std::vector<Candidate> alternatives;  // the others that have a keyword, best first, then the default
  std::vector<std::string> matches;     // the department's keywords found, as its list has them
};

// Chooses a department by the words of a text, such as what a caller has written or what was understood of
// his speech: the one with the most keywords in it, of equals the one listed first, and the default when
// there is none.
//
// Whole words count, not parts of words, and a keyword once however often it is there. Letter case, Arabic
// vowel marks and tatweel, and the ways to write alef, ya and ta marbuta make no difference, nor do the
// Arabic article and the one-letter words that are written together with the next one (wa, fa, bi, ka, li).
// It knows no inflection: list plurals.
//
// Limits: 64 departments, 1,000 keywords each, 8 words in a keyword.
// Thread: any, it never changes.
class KeywordRouter {
 public:
  // The default need not be among the departments. InvalidArgument names the entry that is wrong.
  static absl::StatusOr<KeywordRouter> create(std::vector<KeywordDepartment> departments,
                                              std::string otherwise);

  KeywordRoute route(std::string_view text) const;

 private:
  struct Keyword {
    std::size_t department = 0, index = 0;
    std::vector<std::string> more;  // words after the first
  };

  std::vector<KeywordDepartment> departments_;
  std::string otherwise_;
  absl::flat_hash_map<std::string, std::vector<Keyword>> by_first_word_;
};

// The words of a text in the form in which they are compared, articles and prefixes still on them.
std::vector<std::string> keyword_words(std::string_view text);

}  // namespace ivr
