#pragma once
#include <cstddef>
#include <span>
#include <string>

// What the SQLite store says to its database: the schema as it grew, and every statement.

namespace ivr::sqlite {

enum Query : std::size_t {
  kBegin,
  kCommit,
  kRollback,
  kPutCall,
  kFindCutCall,
  kDropCutCall,
  kDropCutEvents,
  kDropCutVisits,
  kAppend,
  kPutVisit,
  kPutFlow,
  kCall,
  kCalls,
  kEvents,
  kVisits,
  kFlow,
  kCloseOpen,
  kCallsBetween,
  kPutDocument,
  kDocument,
  kDocuments,
  kRemoveDocument,
  kAppendRouter,
  kAppendRouterCall,
  kRouterLog,
  kRouterLogOfCall,
  kRouterCalls,
  kRouterNext,
  kPutSnapshot,
  kSnapshot,
  kSnapshots,
  kDropSnapshot,
  kOldSteps,
  kDropSteps,
  kDropStepCalls,
  kQueries
};

struct QueryText {
  const char* purpose;  // for error messages
  std::string sql;
};
const QueryText& text_of(Query query);

// Numbered from 1; each runs once, inside its own transaction.
std::span<const char* const> migrations();

}  // namespace ivr::sqlite
