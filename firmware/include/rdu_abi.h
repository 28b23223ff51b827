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

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#define RDU_ABI_VERSION 2u

/* Mailbox requests (HOSTIF.MBOX_REQUEST), served before any queue exists. */
#define RDU_MBOX_ABI_VERSION 0x01u /* answer: RDU_ABI_VERSION */
#define RDU_MBOX_ECHO 0x02u        /* request bits 31:8 come back in answer bits 31:8, bits 7:0 are zero */
/* bits 31:8: a number of the host's own, which rdu_log_health.restart_code gives back. The firmware answers
 * 0, aborts what runs, and restarts the management core; CSTS.FW goes and comes again. A host that wants
 * commands to finish shuts down (CC.SHN) before. Firmware that does not answer is restarted by
 * HOSTIF.RESTART. */
#define RDU_MBOX_RESTART 0x03u
/* bits 31:8: n; answer: 32-bit word n of struct rdu_log_panic, RDU_MBOX_UNKNOWN beyond its end. After a panic
 * (CSTS.CFS, stage FAILED, error RDU_BOOT_PANIC) this is what the firmware still does. */
#define RDU_MBOX_PANIC 0x04u
#define RDU_MBOX_UNKNOWN 0xffffffffu

/* Device virtual addresses: segment in bits 45:44, offset in 43:0 (regs/slb.h). */
#define RDU_SEGMENT_SHIFT 44
#define RDU_SEGMENT_HBM 1ull
#define RDU_SEGMENT_DDR 2ull
#define RDU_SEGMENT_HOST 3ull
#define RDU_VA(segment, offset) (((uint64_t)(segment) << RDU_SEGMENT_SHIFT) | (uint64_t)(offset))
#define RDU_MAX_CONTEXTS 8u /* context 0 is the firmware's own */

/* Host page table of a context: what its host segment reaches, when more than one process shares the device.
 * Three levels of tables of 512 entries, each 4 KiB of host memory, 4 KiB aligned; an offset's bits 38:30,
 * 29:21 and 20:12 are the indices, so the segment has at most RDU_HOST_TABLE_SPAN bytes. Bits 51:12 of an
 * entry are the bus address of the next table or, at the last level, of the page. Entries may be cached;
 * HOSTIF.HOST_TLB_INVALIDATE after a valid one was changed. */
#define RDU_HOST_TABLE_LEVELS 3u
#define RDU_HOST_TABLE_ENTRIES 512u
#define RDU_HOST_TABLE_SPAN (1ull << 39)
#define RDU_HOST_ENTRY_VALID 0x1ull
#define RDU_HOST_ENTRY_WRITE 0x2ull /* last level: the page may be written */
#define RDU_HOST_ENTRY_ADDRESS 0x000ffffffffff000ull

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
/* arg0: HBM bytes, arg1: DDR bytes, arg2: host segment bytes, arg3: bus address of the context's host page
 * table, 0: offsets in the host segment are bus addresses, arg4: a number of the host's own, which
 * rdu_log_context.owner gives back (a process id, say); result: context id. Its HBM and DDR read as zero. */
#define RDU_ADMIN_CREATE_CONTEXT 0x02u
/* context. IN_USE while queue pairs use it; result: one of them. What it had in memory and in tiles stays
 * there, out of all contexts' reach, and is cleared before another context gets the place. */
#define RDU_ADMIN_DELETE_CONTEXT 0x03u
/* arg0: queue id 1.., arg1: SQ bus address, arg2: CQ bus address, arg3: entries (power of two, 2..1024),
 * arg4: MSI-X vector; context */
#define RDU_ADMIN_CREATE_QUEUE 0x04u
/* arg0: queue id. What runs is ABORTED, what has not begun is dropped */
#define RDU_ADMIN_DELETE_QUEUE 0x05u
/* arg0: page, arg1: bus address, arg2: bytes, arg3: offset in the page; result: bytes of the whole page */
#define RDU_ADMIN_READ_LOG 0x06u
/* arg0: sensor, arg1: RDU_THRESHOLD_*, arg2: m°C, two's complement */
#define RDU_ADMIN_SET_THRESHOLD 0x07u
/* For tests of software, as error injection of other devices is. arg0: RDU_INJECT_*, arg1, arg2: see there */
#define RDU_ADMIN_INJECT 0x08u

#define RDU_THRESHOLD_LOW 0u
#define RDU_THRESHOLD_HIGH 1u
#define RDU_THRESHOLD_CRITICAL 2u

#define RDU_INJECT_ECC_CORRECTABLE 0u   /* arg1: RDU_SEGMENT_HBM or _DDR, arg2: offset in that memory */
#define RDU_INJECT_ECC_UNCORRECTABLE 1u /* the same */
#define RDU_INJECT_TEMPERATURE 2u       /* arg1: sensor, arg2: m°C that it reads from now on */
#define RDU_INJECT_NO_TEMPERATURE 3u    /* arg1: sensor, which measures again */
#define RDU_INJECT_PANIC 4u             /* the firmware panics */
#define RDU_INJECT_HANG 5u              /* the firmware loops for ever, until the watchdog ends it */

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

/* arg0: instructions (fabric/schedule.h), arg1: bytes, arg2: tile; result: fabric cycles of execution, of all
 * its executions together. It begins without a program, and what it loads last may be launched afterwards. */
#define RDU_CMD_SCHEDULE 0x15u

/* Completes when something happens that the host should know, or at once if that was before: with the oldest
 * event that this queue has not got yet. Every queue gets every event, so nobody takes another's; a new queue
 * begins with those that no queue has got. result: the event's first 8 bytes (struct rdu_log_event), start
 * and end: its time. A queue that is used for it runs nothing else meanwhile, so a host has one for events
 * alone. Events are kept, RDU_EVENTS_KEPT at most; of more, the oldest are dropped, and counted if nobody got
 * them. */
#define RDU_CMD_EVENT 0x14u

/* Log pages. */
#define RDU_LOG_TEXT 0u     /* the firmware's log as text */
#define RDU_LOG_MEMORY 1u   /* struct rdu_log_memory */
#define RDU_LOG_ACTIVITY 2u /* struct rdu_log_activity[], one a unit of tile 0, last execution */
#define RDU_LOG_HEALTH 3u   /* struct rdu_log_health */
#define RDU_LOG_PANIC 4u    /* struct rdu_log_panic of the last one since power-on; else empty */
#define RDU_LOG_SENSORS 5u  /* struct rdu_log_sensor[], sensor 0 is the whole socket */
#define RDU_LOG_EVENTS 6u   /* struct rdu_log_event[]: the latest, oldest first, whether delivered or not */
#define RDU_LOG_LINKS 7u    /* struct rdu_log_link[], one a link */
#define RDU_LOG_CONTEXTS 8u /* struct rdu_log_context[], those that exist, by id */
#define RDU_LOG_USAGE 9u    /* struct rdu_log_usage */
#define RDU_LOG_FAULTS 10u  /* struct rdu_log_fault[]: the latest, oldest first, RDU_FAULTS_KEPT at most */
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
#define RDU_STATUS_TOO_HOT 0x09u      /* LAUNCH while a sensor (the result) is above its critical threshold */
#define RDU_STATUS_BAD_IMAGE 0x20u    /* the boot ROM would refuse it; result: why, RDU_BOOT_* */
#define RDU_STATUS_COPY_SEGMENT 0x40u /* address outside the context's memory; result: the address */
#define RDU_STATUS_COPY_DECODE 0x41u
#define RDU_STATUS_COPY_DENIED 0x42u /* host memory not mapped, or bus mastering off */
#define RDU_STATUS_ABORTED 0x43u
#define RDU_STATUS_COPY_ECC 0x44u /* an error that ECC cannot correct; result: about where */
#define RDU_STATUS_FLASH 0x50u    /* the flash refused; result: FLASH_CTL.STATUS.ERROR */
/* + SEQUENCER.FAULT.CODE; result: address for SEGMENT and MEMORY, the instruction's number for BAD_SCHEDULE,
 * else the unit id */
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

struct rdu_log_context {
  uint32_t id;
  uint32_t queues;
  uint64_t owner; /* as in RDU_ADMIN_CREATE_CONTEXT */
  uint64_t hbm_bytes, ddr_bytes;
  uint64_t hbm_base, ddr_base; /* where they begin in that memory: what a window of BAR2 must show */
  uint64_t commands;           /* completed */
  uint64_t copied_bytes;       /* by its copies */
  uint64_t tile_ns, copy_ns;   /* device time that its launches and loads, and its copies, took; of several at
                                  once, each counts */
};

#define RDU_USAGE_TILES 4u
struct rdu_log_usage {
  uint64_t time_ns; /* now */
  uint64_t
      tile_ns[RDU_USAGE_TILES]; /* device time in which the tile was loading or executing, since power-on */
  uint64_t copy_ns[3];          /* in which the hosts' copy channel n was busy */
  uint64_t hbm_bytes, hbm_used; /* of contexts */
  uint64_t ddr_bytes, ddr_used;
};

/* How a command failed in the hardware. */
#define RDU_FAULTS_KEPT 16u
struct rdu_log_fault {
  uint64_t time_ns;
  uint32_t context;
  uint32_t queue;
  uint16_t command_id;
  uint16_t status;  /* as in the completion */
  uint32_t unit;    /* of the fabric, fabric/program.h; 0: none had a part in it */
  uint64_t address; /* virtual; 0: none */
};

struct rdu_log_activity {
  uint32_t unit; /* fabric/program.h */
  uint32_t reserved;
  uint64_t busy, stall_in, stall_out; /* fabric cycles */
  uint64_t vectors, bytes;
};

/* --- events --- */

#define RDU_EVENTS_KEPT 64u

struct rdu_log_event {
  uint32_t sequence; /* running number since the firmware started, from 1 */
  uint8_t type;      /* RDU_EVENT_* */
  uint8_t code;      /* what happened, by type */
  uint8_t severity;  /* RDU_SEVERITY_* */
  uint8_t source;    /* where, by type */
  uint64_t time_ns;
  uint64_t value;
};

#define RDU_SEVERITY_INFO 0u
#define RDU_SEVERITY_WARNING 1u
#define RDU_SEVERITY_ERROR 2u

/* The firmware started anew. code: SYSCTL.RESET_REASON; value: restart_code of struct rdu_log_health */
#define RDU_EVENT_RESTARTED 1u
/* A temperature passed a threshold. code: RDU_THRESHOLD_*; source: sensor; value: m°C, two's complement */
#define RDU_EVENT_THERMAL 2u
/* ECC found an error. code: 0 corrected, 1 not; source: RDU_SEGMENT_HBM or _DDR; value: offset in that memory
 */
#define RDU_EVENT_ECC 3u
/* A link failed, came up narrower than it is, or went down. code: LINK_CTL's STATUS.ERROR; source: link;
 * value: lanes in use */
#define RDU_EVENT_LINK 4u
/* The firmware found the report of a panic before its start (RDU_LOG_PANIC). code: RDU_PANIC_* */
#define RDU_EVENT_PANIC 5u

/* --- health --- */

struct rdu_log_health {
  uint32_t reset_reason;        /* of the last start: SYSCTL.RESET_REASON */
  uint32_t restarts;            /* since power-on */
  uint32_t restart_code;        /* of the last RDU_MBOX_RESTART; 0 when the last start had another reason */
  uint32_t panics;              /* since power-on */
  uint64_t start_ns;            /* device time at which this run of the firmware began */
  uint64_t time_ns;             /* and now */
  uint64_t log_lines_lost;      /* of RDU_LOG_TEXT, overwritten by later ones, since power-on */
  uint64_t events, events_lost; /* since start_ns: that happened; that were dropped before a host took them */
  uint64_t hbm_corrected, hbm_uncorrected, ddr_corrected, ddr_uncorrected; /* by ECC, since power-on */
};

struct rdu_log_sensor {
  uint8_t kind;  /* as SENSORS.SENSOR.INFO.KIND */
  uint8_t index; /* which of its kind */
  uint8_t above; /* bit RDU_THRESHOLD_*: passed now */
  uint8_t reserved;
  int32_t temperature; /* m°C */
  int32_t low, high, critical;
  uint32_t voltage; /* mV */
  uint32_t power;   /* mW, averaged */
  uint32_t reserved2;
  uint64_t energy; /* uJ since power-on */
};

struct rdu_log_link {
  uint8_t state, error; /* as LINK_CTL's STATUS */
  uint8_t width, max_width;
  uint32_t speed;    /* MT/s of a lane */
  uint32_t lanes;    /* bit n: lane n is good */
  uint32_t attempts; /* trainings since the firmware started */
};

#define RDU_PANIC_ASSERT 1u   /* the firmware found itself wrong: text */
#define RDU_PANIC_TRAP 2u     /* an exception: cause, value, registers */
#define RDU_PANIC_WATCHDOG 3u /* the firmware hung; registers and calls tell where */
#define RDU_PANIC_CALLS 16u

struct rdu_log_panic {
  uint32_t kind;     /* RDU_PANIC_* */
  uint32_t restarts; /* before it, since power-on */
  uint64_t time_ns;
  uint64_t cause, value;  /* mcause, mtval; 0 for ASSERT */
  uint64_t registers[32]; /* [0]: pc, [n]: xn; zero for ASSERT but for pc */
  uint32_t call_count, reserved;
  uint64_t calls[RDU_PANIC_CALLS]; /* return addresses, innermost first: addr2line -e mgmt.elf */
  char text[64];
  char firmware[32]; /* build text */
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
#define RDU_BOOT_HBM_TIMEOUT 7u /* training did not end in time */
#define RDU_BOOT_DDR_TIMEOUT 8u
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
