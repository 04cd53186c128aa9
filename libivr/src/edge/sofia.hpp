#pragma once
// The one place that includes sofia-sip: its callback types are macros that must be set before its first
// header.

namespace ivr {
class SofiaStack;
struct SofiaLeg;
}  // namespace ivr

#define SU_ROOT_MAGIC_T ivr::SofiaStack
#define SU_WAKEUP_ARG_T ivr::SofiaStack
#define SU_TIMER_ARG_T ivr::SofiaLeg
#define NUA_MAGIC_T ivr::SofiaStack
#define NUA_HMAGIC_T ivr::SofiaLeg

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/msg_parser.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nua.h>
#include <sofia-sip/nua_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_tagarg.h>
#include <sofia-sip/su_uniqueid.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/tport_tag.h>
