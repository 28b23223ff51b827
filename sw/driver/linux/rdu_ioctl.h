/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef RDU_IOCTL_H
#define RDU_IOCTL_H

/* What programs and the kernel driver say to each other: /dev/rduN, one node an RDU.
 *
 * An open file is at most one context: its HBM, DDR and host segments, its queues, its memory
 * objects. Closing it gives all of that back, also when the process died; pages stay pinned until
 * the device has let go of them. Files may be shared by threads and inherited; handles belong to
 * the file.
 *
 * Memory. A memory object is a range of one of the context's segments. Device memory (HBM, DDR) is
 * taken from what RDU_IOC_CONTEXT reserved and can be mapped, through BAR2, as far as a window is
 * free. Host memory is memory of the process that is pinned and entered into the context's page
 * table, so that the device reaches it, and nothing else of the host. Device memory is zero when
 * the context is made; an object made of memory that was freed has what its predecessor left. Host
 * memory is as the process left it.
 *
 * Commands are struct rdu_sqe of rdu_abi.h. The device checks every address against the context, so
 * the driver passes them on as they are, but for command_id and context, which it sets. Commands of
 * a queue are numbered from 0 and complete in order.
 *
 * Errors (errno): ENODEV the device is gone: only close() helps. EIO the device was reset and this
 * context with it: close() and open again. ETIMEDOUT a wait's time has passed. Those of a call are
 * with it; of all of them: EINVAL (also: a reserved field is not zero), EFAULT, EINTR or a restart
 * after a signal, ENOTTY. */

#include <linux/ioctl.h>
#include <linux/types.h>

#define RDU_UAPI_VERSION 1u

/* In nanoseconds; waits for ever. 0 asks without waiting. */
#define RDU_WAIT_FOREVER (~0ull)

/* About the device. */
struct rdu_ioc_info {
	__u32 uapi_version;	 /* RDU_UAPI_VERSION of the driver; a later one still serves earlier
				    programs */
	__u32 interface_version; /* HOSTIF.VERSION */
	__u32 max_entries;	 /* of a queue */
	__u32 index;		 /* N of rduN */
	__u64 serial;
	__u64 time_ns;	      /* device time now; 0 while the device is down */
	__u64 resets;	      /* of the device by the driver since it was bound */
	__u32 identify_bytes; /* in: room at `identify`; out: bytes of struct rdu_identify */
	__u32 reserved;
	__u64 identify; /* struct rdu_identify* (rdu_abi.h) of the process, or 0 */
};

/* Makes the file's context. EEXIST it has one; ENOSPC all contexts of the device are in use; ENOMEM
 * not enough HBM or DDR left. */
struct rdu_ioc_context {
	__u64 hbm_bytes; /* in */
	__u64 ddr_bytes;
	__u32 context; /* out: the device's number of it, for messages */
	__u32 reserved;
};

#define RDU_MEMORY_HBM	1u
#define RDU_MEMORY_DDR	2u
#define RDU_MEMORY_HOST 3u

/* A memory object. ENOMEM no room in the segment (or of host memory, or RLIMIT_MEMLOCK); ENXIO no
 * context; EFAULT [user, user + bytes) is not all writable memory of the process. */
struct rdu_ioc_memory {
	__u32 type;	   /* in: RDU_MEMORY_* */
	__u32 flags;	   /* in: 0 */
	__u64 bytes;	   /* in: any; HOST: multiple of the page size */
	__u64 user;	   /* in: HOST: address in the process, page aligned; others 0 */
	__u64 address;	   /* out: virtual address in the context */
	__u64 mmap_offset; /* out: HBM, DDR: for mmap() of the file; EBUSY there: no window is free
			    */
	__u32 handle;	   /* out: 1.. */
	__u32 reserved;
};

/* ENOENT no such handle. Memory that is mapped stays until it is unmapped. */
struct rdu_ioc_handle {
	__u32 handle;
	__u32 reserved;
};

/* A queue. ENOSPC all queues of the device are in use; ENXIO no context. */
struct rdu_ioc_queue {
	__u32 entries; /* in: power of two, 2..max_entries */
	__s32 eventfd; /* in: is written to when commands complete or the device is lost; -1: none
			*/
	__u32 handle;  /* out: 1.. */
	__u32 queue;   /* out: the device's number of it, as in traces */
};

/* Submits under one doorbell. ENOENT no such queue. EAGAIN there is no room and the time has
 * passed: nothing was submitted. What fits is submitted, the rest is not. A queue of n entries has
 * room for n - 1 commands; completions that nobody has fetched take room, too. */
struct rdu_ioc_submit {
	__u32 handle;
	__u32 count;	    /* in: commands; out: how many were submitted */
	__u64 commands;	    /* struct rdu_sqe[] of the process */
	__u64 timeout_ns;   /* for room for the first one */
	__u64 first_number; /* out: of the queue */
};

struct rdu_completion {
	__u64 number; /* of the queue */
	__u64 result;
	__u64 start_ns, end_ns; /* device time */
	__u16 status; /* RDU_STATUS_*; ABORTED: also when the device was reset under the command */
	__u16 opcode;
	__u32 reserved;
};

/* Takes completions, oldest first. Waits for the first one. ETIMEDOUT; ENOENT no such queue. After
 * a reset or a removal those of the commands that were lost come with ABORTED, then EIO or ENODEV.
 */
struct rdu_ioc_completions {
	__u32 handle;
	__u32 count;	   /* in: room; out: how many */
	__u64 completions; /* struct rdu_completion[] of the process */
	__u64 timeout_ns;
};

/* An administrative command of rdu_abi.h, with at most 64 KiB of data; the driver puts its bus
 * address and its size where the command wants them, whatever `arg` has there. READ_LOG may be used
 * by all, SET_THRESHOLD, INJECT, FW_WRITE and FW_ACTIVATE by CAP_SYS_ADMIN (EPERM); others
 * EOPNOTSUPP. */
struct rdu_ioc_admin {
	__u32 opcode; /* RDU_ADMIN_* */
	__u32 status; /* out: RDU_STATUS_* */
	__u64 arg[7]; /* in */
	__u64 result; /* out */
	__u64 data;   /* of the process, or 0 */
	__u32 bytes;
	__u32 reserved;
};

#define RDU_IOC_MAGIC	    'R'
#define RDU_IOC_INFO	    _IOWR(RDU_IOC_MAGIC, 0x80, struct rdu_ioc_info)
#define RDU_IOC_CONTEXT	    _IOWR(RDU_IOC_MAGIC, 0x81, struct rdu_ioc_context)
#define RDU_IOC_MEMORY	    _IOWR(RDU_IOC_MAGIC, 0x82, struct rdu_ioc_memory)
#define RDU_IOC_MEMORY_FREE _IOW(RDU_IOC_MAGIC, 0x83, struct rdu_ioc_handle)
#define RDU_IOC_QUEUE	    _IOWR(RDU_IOC_MAGIC, 0x84, struct rdu_ioc_queue)
#define RDU_IOC_QUEUE_FREE  _IOW(RDU_IOC_MAGIC, 0x85, struct rdu_ioc_handle)
#define RDU_IOC_SUBMIT	    _IOWR(RDU_IOC_MAGIC, 0x86, struct rdu_ioc_submit)
#define RDU_IOC_COMPLETIONS _IOWR(RDU_IOC_MAGIC, 0x87, struct rdu_ioc_completions)
#define RDU_IOC_ADMIN	    _IOWR(RDU_IOC_MAGIC, 0x88, struct rdu_ioc_admin)
/* Resets the device as after a hang, and returns when it is up again: every context is lost, and
 * the firmware that was activated last is what runs. CAP_SYS_ADMIN. EIO it did not come up. */
#define RDU_IOC_RESET _IO(RDU_IOC_MAGIC, 0x89)

/* poll(): POLLIN completions wait in some queue of the file; POLLERR the context was lost in a
 * reset; POLLHUP the device is gone. */

#endif
