#ifndef RDU_FW_VERSION_H
#define RDU_FW_VERSION_H

#include "hal/mmio.h"
#include "regs/hostctl.h"

/* RDU_FW_MAJOR, _MINOR and _PATCH are the project's version, given by the build. */
#define FW_TEXT_(x) #x
#define FW_TEXT(x) FW_TEXT_(x)
#define FW_VERSION_TEXT FW_TEXT(RDU_FW_MAJOR) "." FW_TEXT(RDU_FW_MINOR) "." FW_TEXT(RDU_FW_PATCH)

#define FW_VERSION                                                                                         \
  (FIELD(RDU_HOSTCTL_FW_VERSION_MAJOR, RDU_FW_MAJOR) | FIELD(RDU_HOSTCTL_FW_VERSION_MINOR, RDU_FW_MINOR) | \
   FIELD(RDU_HOSTCTL_FW_VERSION_PATCH, RDU_FW_PATCH))

#endif
