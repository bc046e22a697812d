# Reads what `qemu-rt export` has made by Nova's own code, and prints what Nova makes of it as JSON.
# usage: nova-reads.py DIRECTORY-OF-PROVIDER-FILES PCI-CONFIGURATION
import json
import sys

import nova.conf
from nova import config  # noqa: F401 registers the options
from nova.compute import provider_config
from nova.pci import whitelist

providers, pci = sys.argv[1:]
nova.conf.CONF(['--config-file', pci], project='nova', prog='nova-compute', default_config_files=[])
specs = whitelist.Whitelist(nova.conf.CONF.pci.device_spec).specs
print(json.dumps({
    'providers': provider_config.get_provider_configs(providers),
    'devices': [[spec.dev_spec_conf['address'], spec.tags['resource_class']] for spec in specs],
}))
