#ifndef RDU_BOOT_TEXT_H
#define RDU_BOOT_TEXT_H

/* What boot errors mean, for the ROM's console and for hosts. */

#include "rdu_abi.h"

static inline const char* rdu_boot_text(uint32_t error) {
  switch (error) {
    case RDU_BOOT_OK:
      return "no reason given";
    case RDU_BOOT_NO_IMAGE:
      return "the flash holds no firmware";
    case RDU_BOOT_BAD_IMAGE:
      return "the firmware is no complete RISC-V ELF64 executable";
    case RDU_BOOT_BAD_SEGMENT:
      return "a segment of the firmware lies outside the management RAM";
    case RDU_BOOT_HBM_TRAINING:
      return "HBM training failed";
    case RDU_BOOT_DDR_TRAINING:
      return "DDR training failed";
    case RDU_BOOT_PANIC:
      return "the firmware panicked; its report tells where (RDU_MBOX_PANIC; after a restart RDU_LOG_PANIC)";
    case RDU_BOOT_HBM_TIMEOUT:
      return "HBM training did not end in time";
    case RDU_BOOT_DDR_TIMEOUT:
      return "DDR training did not end in time";
    case RDU_BOOT_BAD_HEADER:
      return "the image's header is damaged, or none";
    case RDU_BOOT_BAD_LENGTH:
      return "the image's length does not fit where it lies";
    case RDU_BOOT_BAD_TYPE:
      return "the image is none of firmware";
    case RDU_BOOT_ROLLED_BACK:
      return "the image's rollback version is lower than the fuses allow";
    case RDU_BOOT_UNSIGNED:
      return "the image is not signed, and the fuses demand it (scripts/sign-firmware signs)";
    case RDU_BOOT_OTHER_KEY:
      return "the image is signed with another key than that in the fuses";
    case RDU_BOOT_BAD_DIGEST:
      return "the image is damaged: its digest is wrong";
    case RDU_BOOT_BAD_SIGNATURE:
      return "the image's signature is wrong";
    case RDU_BOOT_ATTEMPTS:
      return "the firmware was started too often without coming up";
    case RDU_BOOT_CRYPTO:
      return "the cryptography block failed";
    case RDU_BOOT_COPY:
      return "the image cannot be read from host memory (not mapped, or bus mastering is off)";
    case RDU_BOOT_TIMEOUT:
      return "copying the image from host memory took too long";
    default:
      return "unknown boot error";
  }
}

#endif
