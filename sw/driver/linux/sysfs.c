// SPDX-License-Identifier: GPL-2.0
/* Attributes in /sys/class/rdu/rduN. */

#include <linux/firmware.h>

#include "rdu.h"

static u32 rdu_firmware_version(struct rdu_device *rdu)
{
	return READ_ONCE(rdu->identify.fw_version);
}

static ssize_t firmware_version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u32 version = rdu_firmware_version(dev_get_drvdata(dev));

	return sysfs_emit(buf, "%u.%u.%u\n", FIELD_GET(RDU_HOSTIF_FW_VERSION_MAJOR_MASK, version),
			  FIELD_GET(RDU_HOSTIF_FW_VERSION_MINOR_MASK, version),
			  FIELD_GET(RDU_HOSTIF_FW_VERSION_PATCH_MASK, version));
}
static DEVICE_ATTR_RO(firmware_version);

static ssize_t firmware_name_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", rdu->identify.firmware);
}
static DEVICE_ATTR_RO(firmware_name);

static ssize_t model_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", rdu->identify.model);
}
static DEVICE_ATTR_RO(model);

static ssize_t serial_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", rdu->serial);
}
static DEVICE_ATTR_RO(serial);

static ssize_t interface_version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u.%u\n", rdu->interface_version >> 16,
			  rdu->interface_version & 0xffff);
}
static DEVICE_ATTR_RO(interface_version);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", rdu_state_text(READ_ONCE(rdu->state)));
}
static DEVICE_ATTR_RO(state);

static ssize_t resets_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%lld\n", (long long)atomic64_read(&rdu->counters.resets));
}
static DEVICE_ATTR_RO(resets);

static ssize_t hbm_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", rdu->identify.hbm_bytes);
}
static DEVICE_ATTR_RO(hbm_bytes);

static ssize_t ddr_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", rdu->identify.ddr_bytes);
}
static DEVICE_ATTR_RO(ddr_bytes);

/* The name of an image below /lib/firmware: it is written, activated and started. */
static ssize_t firmware_update_store(struct device *dev, struct device_attribute *attr,
				     const char *buf, size_t count)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);
	const struct firmware *image;
	char name[128];
	int err;

	if (strscpy(name, buf, sizeof(name)) < 0)
		return -ENAMETOOLONG;
	err = request_firmware_direct(&image, strim(name), dev);
	if (err) {
		dev_err(dev, "no firmware image %s: %d\n", strim(name), err);
		return err;
	}
	err = rdu_update(rdu, image->data, image->size);
	release_firmware(image);
	return err ? err : count;
}
static DEVICE_ATTR_WO(firmware_update);

static struct attribute *rdu_attributes[] = {
	&dev_attr_firmware_version.attr,
	&dev_attr_firmware_name.attr,
	&dev_attr_model.attr,
	&dev_attr_serial.attr,
	&dev_attr_interface_version.attr,
	&dev_attr_state.attr,
	&dev_attr_resets.attr,
	&dev_attr_hbm_bytes.attr,
	&dev_attr_ddr_bytes.attr,
	&dev_attr_firmware_update.attr,
	NULL,
};

static const struct attribute_group rdu_group = {.attrs = rdu_attributes};

const struct attribute_group *rdu_groups[] = {&rdu_group, NULL};
