#ifndef RDU_ABI_H
#define RDU_ABI_H

/* What host software and the management firmware say to each other: queue entries, status codes, log pages.
 * Registers are generated (regs/hostif.h for the host, regs/hostctl.h for the firmware); this is what lies in
 * memory. Little-endian.
 *
 * Queues work as in NVMe. The host writes 64-byte submissions and rings DOORBELL[q].SQ_TAIL; the firmware
 * writes 32-byte completions with a phase bit that flips at each pass (first pass: 1), sends the queue's
 * MSI-X vector, and the host rings CQ_HEAD. Queue pair 0 is the admin queue. Commands of one queue complete
 * in order. */

#include <stdint.h>

#define RDU_ABI_VERSION 1u

/* Mailbox requests (HOSTIF.MBOX_REQUEST), served before any queue exists. */
#define RDU_MBOX_ABI_VERSION 0x01u /* answer: RDU_ABI_VERSION */
#define RDU_MBOX_ECHO 0x02u        /* request bits 31:8 come back in answer bits 31:8, bits 7:0 are zero */
#define RDU_MBOX_UNKNOWN 0xffffffffu

/* Device virtual addresses: segment in bits 45:44, offset in 43:0 (regs/slb.h). */
#define RDU_SEGMENT_SHIFT 44
#define RDU_SEGMENT_HBM 1ull
#define RDU_SEGMENT_DDR 2ull
#define RDU_SEGMENT_HOST 3ull
#define RDU_VA(segment, offset) (((uint64_t)(segment) << RDU_SEGMENT_SHIFT) | (uint64_t)(offset))
#define RDU_MAX_CONTEXTS 8u /* context 0 is the firmware's own */

struct rdu_sqe {
  uint8_t opcode;
  uint8_t reserved;
  uint16_t command_id; /* the host's own, comes back in the completion */
  uint32_t context;    /* the queue's own, else BAD_CONTEXT; 0 for admin commands without one */
  uint64_t arg[7];
};

struct rdu_cqe {
  uint64_t result;
  uint64_t start_ns; /* device time at which the engine (or the firmware) began */
  uint64_t end_ns;   /* and ended */
  uint16_t command_id;
  uint16_t sq_head; /* submissions up to here are free again */
  uint16_t status;  /* RDU_STATUS_* */
  uint16_t phase;   /* bit 0 */
};

/* Admin commands (queue pair 0). */
#define RDU_ADMIN_IDENTIFY 0x01u /* arg0: bus address of a struct rdu_identify */
/* arg0: HBM bytes, arg1: DDR bytes, arg2: host segment bytes (bus addresses 0..); result: context id */
#define RDU_ADMIN_CREATE_CONTEXT 0x02u
#define RDU_ADMIN_DELETE_CONTEXT 0x03u /* context. IN_USE while queue pairs use it; result: one of them */
/* arg0: queue id 1.., arg1: SQ bus address, arg2: CQ bus address, arg3: entries (power of two, 2..1024),
 * arg4: MSI-X vector; context */
#define RDU_ADMIN_CREATE_QUEUE 0x04u
/* arg0: queue id. What runs is ABORTED, what has not begun is dropped */
#define RDU_ADMIN_DELETE_QUEUE 0x05u
/* arg0: page, arg1: bus address, arg2: bytes, arg3: offset in the page; result: bytes of the whole page */
#define RDU_ADMIN_READ_LOG 0x06u

/* Firmware update (rdu_image.h). arg0: slot, arg1: offset in it (multiple of 4096; 0 first), arg2: bus
 * address, arg3: bytes (at most 4096). Erases the sector and writes it. IN_USE: the slot runs; FLASH: result
 * is FLASH_CTL.STATUS.ERROR */
#define RDU_ADMIN_FW_WRITE 0x20u
/* arg0: slot, to boot next. Verified first: BAD_IMAGE, result is an RDU_BOOT_* code */
#define RDU_ADMIN_FW_ACTIVATE 0x21u

/* Commands of other queues; addresses are virtual addresses of the context. */
#define RDU_CMD_NOP 0x10u
#define RDU_CMD_COPY 0x11u /* arg0: destination, arg1: source, arg2: bytes */
/* arg0: configuration stream, arg1: bytes, arg2: tile; result: fabric cycles */
#define RDU_CMD_LOAD_PROGRAM 0x12u
/* arg0: argument tuples, arg1: how many, arg2: tile; result: fabric cycles of execution */
#define RDU_CMD_LAUNCH 0x13u

/* Log pages. */
#define RDU_LOG_TEXT 0u        /* the firmware's log as text */
#define RDU_LOG_MEMORY 1u      /* struct rdu_log_memory */
#define RDU_LOG_ACTIVITY 2u    /* struct rdu_log_activity[], one a unit of tile 0, last execution */
#define RDU_LOG_FIRMWARE 0x20u /* struct rdu_log_firmware */

/* Status codes. 0x01..: the command itself was wrong; 0x40..: the hardware refused or failed. */
#define RDU_STATUS_OK 0x00u
#define RDU_STATUS_BAD_OPCODE 0x01u
#define RDU_STATUS_BAD_ARGUMENT 0x02u
#define RDU_STATUS_BAD_CONTEXT 0x03u
#define RDU_STATUS_BAD_QUEUE 0x04u
#define RDU_STATUS_NO_MEMORY 0x05u   /* not enough HBM or DDR left */
#define RDU_STATUS_NO_RESOURCE 0x06u /* all contexts or queues are in use */
#define RDU_STATUS_IN_USE 0x07u
#define RDU_STATUS_BAD_LOG_PAGE 0x08u
#define RDU_STATUS_BAD_IMAGE 0x20u    /* the boot ROM would refuse it; result: why, RDU_BOOT_* */
#define RDU_STATUS_COPY_SEGMENT 0x40u /* address outside the context's memory; result: the address */
#define RDU_STATUS_COPY_DECODE 0x41u
#define RDU_STATUS_COPY_DENIED 0x42u /* host memory not mapped, or bus mastering off */
#define RDU_STATUS_ABORTED 0x43u
#define RDU_STATUS_FLASH 0x50u /* the flash refused; result: FLASH_CTL.STATUS.ERROR */
/* + SEQUENCER.FAULT.CODE; result: address for SEGMENT and MEMORY, else the unit id */
#define RDU_STATUS_PROGRAM 0x80u

struct rdu_identify {
  uint32_t abi_version;
  uint32_t fw_version; /* as HOSTIF.FW_VERSION */
  uint64_t hbm_bytes;
  uint64_t ddr_bytes;
  uint64_t hbm_bandwidth; /* peak bytes a second */
  uint64_t ddr_bandwidth;
  uint32_t tiles;
  uint32_t rows;
  uint32_t columns;
  uint32_t agcus;
  uint32_t queue_pairs;
  uint32_t contexts;
  char model[32];
  char firmware[32]; /* build text */
};

struct rdu_log_memory {
  uint64_t hbm_read, hbm_written; /* bytes at the controllers since reset */
  uint64_t ddr_read, ddr_written;
  uint64_t host_read, host_written; /* by the copy engine over PCIe, as the firmware counted its copies */
};

struct rdu_log_activity {
  uint32_t unit; /* fabric/program.h */
  uint32_t reserved;
  uint64_t busy, stall_in, stall_out; /* fabric cycles */
  uint64_t vectors, bytes;
};

struct rdu_log_slot {
  uint32_t boot;    /* as HOSTIF.SLOT */
  uint32_t error;   /* of the header as it is now: RDU_BOOT_OK, NO_IMAGE, BAD_HEADER or BAD_LENGTH; if not OK,
                       zeroes follow */
  uint32_t version; /* as HOSTIF.FW_VERSION */
  uint32_t rollback;
  uint32_t bytes;
  uint32_t is_signed;
  uint32_t rank;     /* of two, the higher boots first */
  uint32_t good;     /* 1: has booted to the end */
  uint32_t attempts; /* boots that were not known to end well */
  uint32_t reserved;
  char name[32];
};

struct rdu_log_firmware {
  uint64_t serial;
  uint32_t secure_boot; /* 1: signatures are required */
  uint32_t rollback;    /* the lowest that boots */
  uint32_t boot;        /* as HOSTIF.BOOT */
  uint32_t slot_bytes;
  uint8_t key[32]; /* Ed25519, in the fuses */
  struct rdu_log_slot slots[2];
};

/* Boot errors (SYSCTL.BOOT_STAGE.ERROR). */
#define RDU_BOOT_OK 0u
#define RDU_BOOT_NO_IMAGE 1u    /* flash (or slot) is erased */
#define RDU_BOOT_BAD_IMAGE 2u   /* no RISC-V ELF64 executable */
#define RDU_BOOT_BAD_SEGMENT 3u /* a segment lies outside RAM */
#define RDU_BOOT_HBM_TRAINING 4u
#define RDU_BOOT_DDR_TRAINING 5u
#define RDU_BOOT_PANIC 6u
/* Why the ROM refused an image (rdu_image.h); of a slot in HOSTIF.SLOT, of recovery in
 * HOSTIF.RECOVERY_STATUS. */
#define RDU_BOOT_BAD_HEADER 0x20u /* damaged, or none */
#define RDU_BOOT_BAD_LENGTH 0x21u
#define RDU_BOOT_BAD_TYPE 0x22u
#define RDU_BOOT_ROLLED_BACK 0x23u
#define RDU_BOOT_UNSIGNED 0x24u
#define RDU_BOOT_OTHER_KEY 0x25u
#define RDU_BOOT_BAD_DIGEST 0x26u
#define RDU_BOOT_BAD_SIGNATURE 0x27u
#define RDU_BOOT_ATTEMPTS 0x28u /* was not marked good in RDU_SLOT_ATTEMPTS boots */
#define RDU_BOOT_CRYPTO 0x29u   /* the cryptography block reported an error */
#define RDU_BOOT_COPY 0x2au     /* recovery: host memory cannot be read */
#define RDU_BOOT_TIMEOUT 0x2bu  /* recovery: the copy did not end */

#endif
