// SPDX-License-Identifier: GPL-2.0
/* Firmware update: the slot that does not run is written and activated, then the device restarts
 * into it. */

#include <linux/slab.h>

#include "rdu.h"
#include "rdu_image.h"

/* Which slot may be written, and how large it is. */
static int rdu_update_slot(struct rdu_device *rdu, u32 *slot, u32 *bytes)
{
	struct rdu_log_firmware *log = kzalloc(sizeof(*log), GFP_KERNEL);
	ssize_t got;

	if (!log)
		return -ENOMEM;
	got = rdu_admin_read_log(rdu, RDU_LOG_FIRMWARE, 0, log, sizeof(*log));
	*slot = FIELD_GET(RDU_HOSTIF_BOOT_SOURCE_MASK, log->boot) == RDU_HOSTIF_BOOT_SOURCE_SLOT0
			? 1
			: 0;
	*bytes = log->slot_bytes;
	kfree(log);
	if (got < 0)
		return got;
	return got < (ssize_t)sizeof(*log) ? -EPROTO : 0;
}

static int rdu_update_write(struct rdu_device *rdu, u32 slot, const u8 *image, size_t bytes)
{
	struct rdu_command command = {};
	size_t at;
	int err;

	for (at = 0; at < bytes; at += RDU_FLASH_SECTOR) {
		command.bytes = min_t(size_t, bytes - at, RDU_FLASH_SECTOR);
		command.data = image + at;
		command.address = 2;
		command.sqe = (struct rdu_sqe){
			.opcode = RDU_ADMIN_FW_WRITE,
			.arg = {slot, at, 0, command.bytes},
		};
		err = rdu_admin_checked(rdu, &command);
		if (err) {
			dev_err(&rdu->dev,
				"update: sector at %#zx of slot %u was not written: status %#x\n",
				at, slot, command.status);
			return err;
		}
	}
	return 0;
}

static int rdu_update_activate(struct rdu_device *rdu, u32 slot)
{
	struct rdu_command command = {.sqe = {.opcode = RDU_ADMIN_FW_ACTIVATE, .arg = {slot}}};
	int err = rdu_admin_checked(rdu, &command);

	if (err)
		dev_err(&rdu->dev,
			"update: slot %u cannot be booted: status %#x, boot error %#llx\n", slot,
			command.status, command.result);
	return err;
}

/**
 * rdu_update() - Installs a firmware image and restarts into it; every context is lost
 * @rdu: the device
 * @image: as scripts/sign-firmware makes them
 * @bytes: its size
 *
 * Return: 0 when the device is up with it; -ENOEXEC when it is none that would be booted (the log
 * has why), and the device goes on with what it has; other errors.
 */
int rdu_update(struct rdu_device *rdu, const u8 *image, size_t bytes)
{
	const struct rdu_image_header *header = (const void *)image;
	u32 slot, room;
	int err;

	if (bytes < sizeof(*header) || header->magic != RDU_IMAGE_MAGIC) {
		dev_err(&rdu->dev, "update: the file is no firmware image\n");
		return -ENOEXEC;
	}
	mutex_lock(&rdu->update_lock);
	err = down_read_interruptible(&rdu->hw) ? -ERESTARTSYS : 0;
	if (err)
		goto out;
	err = rdu->state == RDU_STATE_UP ? rdu_update_slot(rdu, &slot, &room) : -EIO;
	if (!err && bytes > room) {
		dev_err(&rdu->dev, "update: the image has %zu bytes, a slot %u\n", bytes, room);
		err = -EFBIG;
	}
	if (!err)
		err = rdu_update_write(rdu, slot, image, bytes);
	if (!err)
		err = rdu_update_activate(rdu, slot);
	up_read(&rdu->hw);
	if (!err)
		err = rdu_reset(rdu, "new firmware");
out:
	mutex_unlock(&rdu->update_lock);
	return err;
}
