// SPDX-License-Identifier: GPL-2.0
/*
 * The administrative queue: one command at a time. The caller holds hw. A firmware that does not
 * answer in time is given up: the command fails with -EIO, all that follow too, and a reset is
 * under way.
 */

#include <linux/dma-mapping.h>

#include "rdu.h"

#define RDU_ADMIN_ENTRIES 32u
#define RDU_ADMIN_LOOK	  (HZ / 4) /* between looks for an answer whose interrupt was lost */

int rdu_admin_init(struct rdu_device *rdu)
{
	struct rdu_admin *admin = &rdu->admin;
	int err;

	mutex_init(&admin->lock);
	spin_lock_init(&admin->ring_lock);
	init_waitqueue_head(&admin->wait);
	err = rdu_ring_alloc(&admin->ring, rdu, 0, RDU_ADMIN_ENTRIES);
	if (err)
		return err;
	admin->data =
		dma_alloc_coherent(&rdu->pdev->dev, RDU_DATA_BYTES, &admin->data_dma, GFP_KERNEL);
	if (!admin->data) {
		rdu_ring_free(&admin->ring);
		return -ENOMEM;
	}
	return 0;
}

void rdu_admin_free(struct rdu_device *rdu)
{
	struct rdu_admin *admin = &rdu->admin;

	dma_free_coherent(&rdu->pdev->dev, RDU_DATA_BYTES, admin->data, admin->data_dma);
	rdu_ring_free(&admin->ring);
}

/* Takes the completion, if it is there. Called by the interrupt, and by who waits. */
bool rdu_admin_drain(struct rdu_device *rdu)
{
	struct rdu_admin *admin = &rdu->admin;
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&admin->ring_lock, flags);
	taken = rdu_ring_take(&admin->ring, &admin->cqe);
	if (taken) {
		rdu_ring_release(&admin->ring);
		admin->done = true;
	}
	spin_unlock_irqrestore(&admin->ring_lock, flags);
	if (taken)
		wake_up_all(&admin->wait);
	return taken;
}

/* Waits for the answer: 0, -ENODEV, or -EIO and a reset is under way. */
static int rdu_admin_wait(struct rdu_device *rdu, u8 opcode)
{
	struct rdu_admin *admin = &rdu->admin;
	unsigned long deadline = jiffies + rdu_firmware_timeout * HZ;
	const char *trouble;

	for (;;) {
		wait_event_timeout(admin->wait,
				   READ_ONCE(admin->done) || READ_ONCE(rdu->abandon) ||
					   READ_ONCE(rdu->sick),
				   RDU_ADMIN_LOOK);
		if (READ_ONCE(admin->done))
			return 0;
		if (READ_ONCE(rdu->abandon))
			return -ENODEV;
		if (READ_ONCE(rdu->sick))
			return -EIO;
		if (rdu_admin_drain(rdu)) {
			atomic64_inc(&rdu->counters.late);
			return 0;
		}
		trouble = rdu_hw_trouble(rdu);
		if (!trouble && time_after(jiffies, deadline))
			trouble = "its firmware does not answer";
		if (trouble) {
			dev_err(&rdu->dev, "administrative command %#x: %s\n", opcode, trouble);
			rdu_reset_request(rdu, trouble);
			return -EIO;
		}
	}
}

/**
 * rdu_admin_execute() - Has the firmware execute a command
 * @rdu: the device, hw held
 * @command: the command; how it ended is in it
 *
 * Return: 0 when it ended, well or not; -EIO, -ENODEV.
 */
int rdu_admin_execute(struct rdu_device *rdu, struct rdu_command *command)
{
	struct rdu_admin *admin = &rdu->admin;
	int err;

	if (WARN_ON_ONCE(command->bytes > RDU_DATA_BYTES))
		return -EINVAL;
	mutex_lock(&admin->lock);
	err = READ_ONCE(rdu->abandon) ? -ENODEV : READ_ONCE(rdu->sick) ? -EIO : 0;
	if (err)
		goto out;
	if (command->data)
		memcpy(admin->data, command->data, command->bytes);
	if (command->reply)
		memset(admin->data, 0, command->bytes);
	if (command->data || command->reply)
		command->sqe.arg[command->address] = admin->data_dma;

	spin_lock_irq(&admin->ring_lock);
	admin->done = false;
	rdu_ring_put(&admin->ring, &command->sqe);
	rdu_ring_submit(&admin->ring);
	spin_unlock_irq(&admin->ring_lock);

	err = rdu_admin_wait(rdu, command->sqe.opcode);
	if (err)
		goto out;
	command->status = admin->cqe.status;
	command->result = admin->cqe.result;
	if (command->reply)
		memcpy(command->reply, admin->data, command->bytes);
out:
	mutex_unlock(&admin->lock);
	return err;
}

/* The errno value of a refusal. */
int rdu_status_errno(u16 status)
{
	switch (status) {
	case RDU_STATUS_OK:
		return 0;
	case RDU_STATUS_NO_MEMORY:
		return -ENOMEM;
	case RDU_STATUS_NO_RESOURCE:
		return -ENOSPC;
	case RDU_STATUS_IN_USE:
		return -EBUSY;
	case RDU_STATUS_BAD_OPCODE:
		return -EOPNOTSUPP;
	case RDU_STATUS_BAD_ARGUMENT:
	case RDU_STATUS_BAD_LOG_PAGE:
		return -EINVAL;
	case RDU_STATUS_BAD_IMAGE:
		return -ENOEXEC;
	default:
		return -EIO;
	}
}

/* As rdu_admin_execute(); a refusal is an error, too. */
int rdu_admin_checked(struct rdu_device *rdu, struct rdu_command *command)
{
	int err = rdu_admin_execute(rdu, command);

	return err ? err : rdu_status_errno(command->status);
}

/**
 * rdu_admin_read_log() - Reads a part of a log page
 * @rdu: the device, hw held
 * @page: RDU_LOG_*
 * @offset: in the page
 * @to: where to
 * @bytes: at most RDU_DATA_BYTES
 *
 * Return: how many bytes the page had from @offset on, at most @bytes; or an error.
 */
ssize_t rdu_admin_read_log(struct rdu_device *rdu, u32 page, u64 offset, void *to, size_t bytes)
{
	struct rdu_command command = {
		.sqe = {.opcode = RDU_ADMIN_READ_LOG, .arg = {page, 0, bytes, offset}},
		.reply = to,
		.bytes = bytes,
		.address = 1,
	};
	int err = rdu_admin_checked(rdu, &command);

	if (err)
		return err;
	return offset < command.result ? min_t(u64, bytes, command.result - offset) : 0;
}
